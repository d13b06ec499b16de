// What the npm packages let a program say, held against what the built plugins know: a program
// means the same with these plugins as with upstream's.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import ts from "typescript";
import { describe, expect, test } from "vitest";

import { root } from "../toolchain/clone.mjs";
import { pluginDir, pulumiCli, pulumiHome } from "../toolchain/paths.mjs";

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
      const [argument] = type.typeArguments ?? [];
      if (name === "Input" && argument) return shapeOf(argument);
      return typed(inputs.get(name), inputs);
    }
    const scalar = {
      [ts.SyntaxKind.StringKeyword]: "string",
      [ts.SyntaxKind.NumberKeyword]: "number",
      [ts.SyntaxKind.BooleanKeyword]: "boolean",
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

describe("@pulumi/docker", () => {
  const dir = join(packages, "docker");
  const inputs = interfacesOf(join(dir, "types", "input.d.ts"));
  const known = JSON.parse(
    execFileSync(join(pluginDir("docker"), "pulumi-resource-docker"), ["-list-properties"], {
      encoding: "utf8",
    }),
  ) as Record<string, { args: Properties; state: Properties } | undefined>;

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
    const built = known[`docker:index/${file}:${name}`];
    expect(built?.args).toEqual(typed(declared.get(`${name}Args`), inputs));
    expect(built?.state).toEqual(typed(declared.get(`${name}State`), inputs));
  });

  test("the provider takes what its typings say", () => {
    const declared = interfacesOf(join(dir, "provider.d.ts"));
    const built = known["pulumi:providers:docker"];
    expect(built?.args).toEqual(typed(declared.get("ProviderArgs"), inputs));
  });
});

describe("@pulumi/command", () => {
  interface Property {
    type?: string;
    $ref?: string;
    items?: Property;
    additionalProperties?: Property;
  }
  interface Schema {
    resources: Record<
      string,
      { inputProperties: Record<string, Property>; properties: Record<string, Property> }
    >;
  }
  const text = execFileSync(
    pulumiCli,
    ["package", "get-schema", join(pluginDir("command"), "pulumi-resource-command")],
    {
      encoding: "utf8",
      env: { ...process.env, PULUMI_HOME: pulumiHome, PULUMI_SKIP_UPDATE_CHECK: "true" },
    },
  );
  const known = (JSON.parse(text) as Schema).resources["command:local:Command"];

  /** Read-only members of the class: what it gives. Its static and inherited ones are not. */
  const path = join(packages, "command", "local", "command.d.ts");
  const declared = parse(path).statements.find(ts.isClassDeclaration);
  const given = declared?.members.flatMap((member) =>
    ts.isPropertyDeclaration(member) && ts.isIdentifier(member.name) ? [member.name.text] : [],
  );
  const args = interfacesOf(path).get("CommandArgs");

  test("local.Command takes what its typings say", () => {
    const names = args?.members.flatMap((member) =>
      member.name && ts.isIdentifier(member.name) ? [member.name.text] : [],
    );
    expect(names?.length).toBeGreaterThan(0);
    expect(Object.keys(known?.inputProperties ?? {}).sort()).toEqual(names?.sort());
  });

  test("local.Command gives what its typings say", () => {
    expect(given?.length).toBeGreaterThan(0);
    expect(Object.keys(known?.properties ?? {}).sort()).toEqual(given?.sort());
  });

  test("lists, maps and scalars of local.Command are those of its typings", () => {
    const kinds = Object.fromEntries(
      args?.members.filter(ts.isPropertySignature).map((member) => {
        const type = member.type?.getText(args.getSourceFile()) ?? "";
        const kind = type.includes("[]>")
          ? "array"
          : type.includes("[key: string]")
            ? "object"
            : type.includes("<boolean>")
              ? "boolean"
              : "string";
        return [ts.isIdentifier(member.name) ? member.name.text : "", kind];
      }) ?? [],
    );
    const built = Object.fromEntries(
      Object.entries(known?.inputProperties ?? {}).map(([name, { type, $ref }]) => [
        name,
        $ref === "#/types/command:local:Logging" ? "string" : type,
      ]),
    );
    expect(built).toEqual(kinds);
  });
});
