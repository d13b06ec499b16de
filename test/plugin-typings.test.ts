// What the npm packages let a program say, held against what the plugins know: a program means the
// same with those built here as with upstream's.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import ts from "typescript";
import { describe, expect, test } from "vitest";

import { root } from "../toolchain/clone.mjs";
import { pulumiCli, pulumiHome } from "../toolchain/paths.mjs";
import { builtHere, pluginFile } from "./plugin-build.ts";

/** A scalar's name, ["list" | "map", of what], or an object's properties. */
type Shape = string | [string, Shape] | { [property: string]: Shape };
type Properties = Record<string, Shape>;

const packages = join(root, "node_modules", "@pulumi");

const parse = (path: string) =>
  ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest, true);

/** Every interface of a file, by its name; those in namespaces by name and namespace. */
function interfacesOf(path: string): Map<string, ts.InterfaceDeclaration> {
  const found = new Map<string, ts.InterfaceDeclaration>();
  const visit = (node: ts.Node, prefix: string) => {
    if (ts.isInterfaceDeclaration(node)) found.set(prefix + node.name.text, node);
    else if (ts.isModuleDeclaration(node) && node.body && ts.isModuleBlock(node.body))
      node.body.statements.forEach((statement) => {
        visit(statement, `${prefix}${node.name.text}.`);
      });
  };
  parse(path).statements.forEach((statement) => {
    visit(statement, "");
  });
  return found;
}

/** The properties of an interface, its nested ones looked up among the package's inputs. */
function typed(
  declared: ts.InterfaceDeclaration | undefined,
  inputs: Map<string, ts.InterfaceDeclaration>,
): Properties {
  if (!declared) throw new Error("the typings have no such interface");
  const shapeOf = (type: ts.TypeNode): Shape => {
    if (ts.isUnionTypeNode(type)) {
      const parts = type.types.filter((part) => part.kind !== ts.SyntaxKind.UndefinedKeyword);
      if (parts.length !== 1 || !parts[0]) throw new Error(`a union: ${String(type.kind)}`);
      return shapeOf(parts[0]);
    }
    if (ts.isArrayTypeNode(type)) return ["list", shapeOf(type.elementType)];
    if (ts.isTypeLiteralNode(type)) {
      const [member] = type.members;
      if (member && ts.isIndexSignatureDeclaration(member)) return ["map", shapeOf(member.type)];
    }
    if (ts.isTypeReferenceNode(type)) {
      const name = ts.isQualifiedName(type.typeName) ? type.typeName.right.text : "";
      if (type.typeName.getText(declared.getSourceFile()).startsWith("enums.")) return "string";
      const [argument] = type.typeArguments ?? [];
      if (name === "Input" && argument) return shapeOf(argument);
      return typed(inputs.get(name), inputs);
    }
    const scalar = {
      [ts.SyntaxKind.StringKeyword]: "string",
      [ts.SyntaxKind.NumberKeyword]: "number",
      [ts.SyntaxKind.BooleanKeyword]: "boolean",
      [ts.SyntaxKind.AnyKeyword]: "any",
    }[type.kind as number];
    if (!scalar) throw new Error(`an unexpected type: ${ts.SyntaxKind[type.kind]}`);
    return scalar;
  };
  return Object.fromEntries(
    declared.members.filter(ts.isPropertySignature).map((member) => {
      if (!ts.isIdentifier(member.name) || !member.type) throw new Error("an unexpected member");
      return [member.name.text, shapeOf(member.type)];
    }),
  );
}

interface SchemaProperty {
  readonly type?: string;
  readonly $ref?: string;
  readonly items?: SchemaProperty;
  readonly additionalProperties?: SchemaProperty;
}
type SchemaProperties = Record<string, SchemaProperty>;

interface Schema {
  readonly types?: Record<string, { type: string; properties?: SchemaProperties } | undefined>;
  readonly provider?: { inputProperties?: SchemaProperties };
  readonly resources: Record<
    string,
    {
      inputProperties: SchemaProperties;
      stateInputs?: { properties: SchemaProperties };
      properties: SchemaProperties;
    }
  >;
}

/** What a plugin says of itself. */
const schemaOf = (plugin: string): Schema =>
  JSON.parse(
    execFileSync(pulumiCli, ["package", "get-schema", plugin], {
      encoding: "utf8",
      maxBuffer: 1 << 28,
      env: { ...process.env, PULUMI_HOME: pulumiHome, PULUMI_SKIP_UPDATE_CHECK: "true" },
    }),
  ) as Schema;

/** The same shapes as the typings have, read from a schema. */
function schematic(properties: SchemaProperties | undefined, { types }: Schema): Properties {
  const shapeOf = ({ type, $ref, items, additionalProperties }: SchemaProperty): Shape => {
    if ($ref === "pulumi.json#/Any") return "any";
    if ($ref !== undefined) {
      const named = types?.[decodeURIComponent($ref.replace("#/types/", ""))];
      if (!named) throw new Error(`the schema has no ${$ref}`);
      return named.properties ? propertiesOf(named.properties) : named.type;
    }
    if (items) return ["list", shapeOf(items)];
    if (type === "object")
      return ["map", additionalProperties ? shapeOf(additionalProperties) : "string"];
    return type === "integer" ? "number" : (type ?? "any");
  };
  const propertiesOf = (all: SchemaProperties): Properties =>
    Object.fromEntries(Object.entries(all).map(([name, property]) => [name, shapeOf(property)]));
  return propertiesOf(properties ?? {});
}

describe("@pulumi/docker", () => {
  const dir = join(packages, "docker");
  const inputs = interfacesOf(join(dir, "types", "input.d.ts"));

  /** Ours lists its properties; its schema says nothing of them. Upstream's has a schema alone. */
  function known(): Record<string, { args: Properties; state?: Properties } | undefined> {
    const plugin = pluginFile("docker");
    if (builtHere("docker")) {
      const text = execFileSync(plugin, ["-list-properties"], { encoding: "utf8" });
      return JSON.parse(text) as ReturnType<typeof known>;
    }
    const schema = schemaOf(plugin);
    const all: ReturnType<typeof known> = {
      "pulumi:providers:docker": { args: schematic(schema.provider?.inputProperties, schema) },
    };
    for (const [name, { inputProperties, stateInputs }] of Object.entries(schema.resources)) {
      all[name] = {
        args: schematic(inputProperties, schema),
        state: schematic(stateInputs?.properties, schema),
      };
    }
    return all;
  }
  const plugin = known();

  test.each([
    ["Container", "container"],
    ["Network", "network"],
    ["Volume", "volume"],
    ["RemoteImage", "remoteImage"],
    ["RegistryImage", "registryImage"],
    ["Service", "service"],
    ["ServiceConfig", "serviceConfig"],
    ["Secret", "secret"],
    ["Tag", "tag"],
  ])("%s takes and gives what its typings say", (name, file) => {
    const declared = interfacesOf(join(dir, `${file}.d.ts`));
    const resource = plugin[`docker:index/${file}:${name}`];
    expect(resource?.args).toEqual(typed(declared.get(`${name}Args`), inputs));
    expect(resource?.state).toEqual(typed(declared.get(`${name}State`), inputs));
  });

  test("the provider takes what its typings say", () => {
    const declared = interfacesOf(join(dir, "provider.d.ts"));
    const provider = plugin["pulumi:providers:docker"];
    expect(provider?.args).toEqual(typed(declared.get("ProviderArgs"), inputs));
  });
});

describe("@pulumi/command", () => {
  const schema = schemaOf(pluginFile("command"));
  const command = schema.resources["command:local:Command"];
  const path = join(packages, "command", "local", "command.d.ts");

  test("local.Command takes what its typings say", () => {
    const declared = typed(interfacesOf(path).get("CommandArgs"), new Map());
    expect(Object.keys(declared)).not.toEqual([]);
    expect(schematic(command?.inputProperties, schema)).toEqual(declared);
  });

  test("local.Command gives what its typings say", () => {
    // Members of the class; its static and inherited ones are not.
    const members = parse(path).statements.find(ts.isClassDeclaration)?.members ?? [];
    const given = members.flatMap((member) =>
      ts.isPropertyDeclaration(member) && ts.isIdentifier(member.name) ? [member.name.text] : [],
    );
    expect(given).not.toEqual([]);
    expect(Object.keys(command?.properties ?? {}).sort()).toEqual(given.sort());
  });
});
