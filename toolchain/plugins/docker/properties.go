package main

import (
	"github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfbridge"
	shim "github.com/pulumi/pulumi-terraform-bridge/v3/pkg/tfshim"
)

// properties are the names a program may use, each with its shape: "string", "number", "boolean",
// ["list", shape], ["map", shape], or the properties of an object.
type properties map[string]any

type resource struct {
	Args  properties `json:"args"`
	State properties `json:"state,omitempty"`
}

// listProperties tells, by Pulumi's name, what the provider itself takes, and what every resource
// takes and gives, so that it can be held against the typings of the npm package.
func listProperties(info tfbridge.ProviderInfo) map[string]resource {
	all := map[string]resource{
		"pulumi:providers:docker": {Args: propertiesOf(info.P.Schema(), info.Config, true)},
	}
	for name, at := range info.Resources {
		schema := info.P.ResourcesMap().Get(name).Schema()
		all[string(at.Tok)] = resource{
			Args:  propertiesOf(schema, at.Fields, true),
			State: propertiesOf(schema, at.Fields, false),
		}
	}
	return all
}

// propertiesOf lists a schema's names: for what a program gives, without those only the provider
// knows, and never the id, which is Pulumi's own.
func propertiesOf(schema shim.SchemaMap, fields map[string]*tfbridge.SchemaInfo, given bool) properties {
	known := properties{}
	schema.Range(func(name string, property shim.Schema) bool {
		if name != "id" && (!given || property.Optional() || property.Required()) {
			known[tfbridge.TerraformToPulumiNameV2(name, schema, fields)] = shapeOf(property, fields[name])
		}
		return true
	})
	return known
}

// nested lists all names of an object within: the typings tell given and known apart only above it.
func nested(schema shim.SchemaMap, fields map[string]*tfbridge.SchemaInfo) properties {
	known := properties{}
	schema.Range(func(name string, property shim.Schema) bool {
		known[tfbridge.TerraformToPulumiNameV2(name, schema, fields)] = shapeOf(property, fields[name])
		return true
	})
	return known
}

func shapeOf(property shim.Schema, info *tfbridge.SchemaInfo) any {
	switch property.Type() {
	case shim.TypeBool:
		return "boolean"
	case shim.TypeInt, shim.TypeFloat:
		return "number"
	case shim.TypeMap:
		return []any{"map", elementOf(property, info)}
	case shim.TypeList, shim.TypeSet:
		if tfbridge.IsMaxItemsOne(property, info) {
			return elementOf(property, info)
		}
		return []any{"list", elementOf(property, info)}
	default:
		return "string"
	}
}

func elementOf(property shim.Schema, info *tfbridge.SchemaInfo) any {
	inner := &tfbridge.SchemaInfo{}
	if info != nil && info.Elem != nil {
		inner = info.Elem
	}
	switch element := property.Elem().(type) {
	case shim.Schema:
		return shapeOf(element, inner)
	case shim.Resource:
		return nested(element.Schema(), inner.Fields)
	default:
		return "string"
	}
}
