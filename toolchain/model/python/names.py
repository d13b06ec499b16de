"""The names in an ONNX graph: callers know those of their columns, and no others are to be in the way."""

import onnx


def give(graph, inputs, classifies):
    """Gives the graph's inputs, in their order, the names `inputs`, and its outputs free ones.

    The converter writes `debt_ratio` for a column `debt ratio`, and names of its own may be columns'.
    An input that no step reads is dropped: it would only be one more thing to send.
    """
    given = [each.name for each in graph.input]
    if len(given) != len(inputs):
        raise NotImplementedError(f"{len(inputs)} columns became {len(given)} inputs")
    outputs = [each.name for each in graph.output]
    wanted = outputs if classifies or len(outputs) > 1 else ["prediction"]
    new = dict(zip(given, inputs, strict=True))
    taken = set(inputs)
    for old, name in zip(outputs, wanted, strict=True):
        new[old] = free(name, taken)
    # What stands between inputs and outputs makes way for both.
    inner = names_in(graph) - new.keys()
    taken |= inner
    for name in sorted(inner & set(new.values())):
        new[name] = free(name, taken)
    used = {name for node in nodes_in(graph) for name in node.input}
    rename(graph, new)
    for old in given:
        if old not in used:
            graph.input.remove(next(each for each in graph.input if each.name == new[old]))


def free(name, taken):
    """`name`, or the first of name_1, name_2, … that is not taken; it is then."""
    candidates = [name, *(f"{name}_{k}" for k in range(1, len(taken) + 2))]
    found = next(each for each in candidates if each not in taken)
    taken.add(found)
    return found


def graphs_in(graph):
    """`graph` and those within its nodes."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                yield from graphs_in(attribute.g)


def nodes_in(graph):
    return [node for each in graphs_in(graph) for node in each.node]


def named_in(graph):
    """Everything with a name that a node may use."""
    for each in graphs_in(graph):
        yield from [*each.input, *each.output, *each.initializer, *each.value_info]


def names_in(graph):
    nodes = nodes_in(graph)
    used = {name for node in nodes for name in [*node.input, *node.output]}
    # An input that is left out has no name.
    return (used | {each.name for each in named_in(graph)}) - {""}


def rename(graph, new):
    """Every name that `new` has an entry for becomes that, all at once."""
    for each in named_in(graph):
        each.name = new.get(each.name, each.name)
    for node in nodes_in(graph):
        for held in (node.input, node.output):
            held[:] = [new.get(name, name) for name in held]
