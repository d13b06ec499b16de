"""Converters to ONNX, in doubles, for estimators whose own converter only knows 32-bit floats.

scikit-learn computes in doubles; a threshold or a mean rounded to 32 bits moves rows across a
decision boundary. ONNX Runtime has double kernels for everything used here.
"""

import warnings

import numpy as np
import pandas as pd
from onnx import TensorProto, helper
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType, StringTensorType
from sklearn import ensemble, impute, linear_model, preprocessing, svm, tree

ML = "ai.onnx.ml"
NUMBERS = (bool, int, float, np.bool_, np.number)


class Graph:
    """Adds nodes to the container of a converter: one call a node, its output's name returned."""

    def __init__(self, scope, container):
        self.scope, self.container = scope, container

    def const(self, value, kind=TensorProto.DOUBLE):
        array = np.asarray(value)
        name = self.scope.get_unique_variable_name("const")
        flat = array.ravel().tolist()
        if kind == TensorProto.STRING:
            flat = [str(each).encode() for each in flat]
        self.container.add_initializer(name, kind, list(array.shape), flat)
        return name

    def __call__(self, op, *inputs, out=None, domain="", version=19, **attributes):
        output = out or self.scope.get_unique_variable_name(op)
        self.container.add_node(
            op,
            list(inputs),
            [output],
            op_domain=domain,
            op_version=version,
            name=self.scope.get_unique_operator_name(op),
            **attributes,
        )
        return output

    def cast(self, value, to, out=None):
        return self("Cast", value, to=to, out=out)


def join(g, operator):
    """The operator's inputs as one [N, F] double."""
    parts = [
        each.full_name
        if isinstance(each.type, DoubleTensorType)
        else g.cast(each.full_name, TensorProto.DOUBLE)
        for each in operator.inputs
    ]
    return parts[0] if len(parts) == 1 else g("Concat", *parts, axis=1)


class Ensemble:
    """Nodes and leaves of decision trees, gathered for one TreeEnsembleRegressor node."""

    def __init__(self, n_targets):
        self.n_targets = n_targets
        self.nodes = {
            key: []
            for key in (
                "treeids nodeids featureids values modes truenodeids falsenodeids "
                "missing_value_tracks_true"
            ).split()
        }
        self.target = {key: [] for key in "treeids nodeids ids weights".split()}
        self.trees = 0

    def add(self, rows, weights):
        """`rows`: (feature, threshold, left, right, missing goes left) or None for a leaf;
        `weights`: for each leaf its {target: weight}."""
        for node, row in enumerate(rows):
            feature, threshold, left, right, missing_left = row or (0, 0.0, 0, 0, False)
            for key, value in (
                ("treeids", self.trees),
                ("nodeids", node),
                ("featureids", int(feature)),
                ("values", float(threshold)),
                ("modes", "BRANCH_LEQ" if row else "LEAF"),
                ("truenodeids", int(left)),
                ("falsenodeids", int(right)),
                ("missing_value_tracks_true", int(missing_left)),
            ):
                self.nodes[key].append(value)
            for target, weight in (weights[node] if row is None else {}).items():
                for key, value in (
                    ("treeids", self.trees),
                    ("nodeids", node),
                    ("ids", int(target)),
                    ("weights", float(weight)),
                ):
                    self.target[key].append(value)
        self.trees += 1

    def add_fitted(self, fitted, weights_of):
        """A tree of scikit-learn; `weights_of(values)` gives a leaf's {target: weight}."""
        t = fitted.tree_
        left, right = t.children_left, t.children_right
        missing = getattr(t, "missing_go_to_left", np.zeros(t.node_count))
        rows, weights = [], []
        for node in range(t.node_count):
            leaf = left[node] == right[node]
            rows.append(
                None
                if leaf
                else (t.feature[node], t.threshold[node], left[node], right[node], missing[node])
            )
            weights.append(weights_of(t.value[node]) if leaf else {})
        self.add(rows, weights)

    def into(self, g, x):
        """Sums of the trees for each target: [N, targets], doubles."""
        n, t = self.nodes, self.target

        def tensor(name, values):
            return helper.make_tensor(name, TensorProto.DOUBLE, [len(values)], values)

        sums = g(
            "TreeEnsembleRegressor",
            x,
            domain=ML,
            version=3,
            n_targets=self.n_targets,
            nodes_treeids=n["treeids"],
            nodes_nodeids=n["nodeids"],
            nodes_featureids=n["featureids"],
            nodes_values_as_tensor=tensor("nodes_values_as_tensor", n["values"]),
            nodes_modes=n["modes"],
            nodes_truenodeids=n["truenodeids"],
            nodes_falsenodeids=n["falsenodeids"],
            nodes_missing_value_tracks_true=n["missing_value_tracks_true"],
            target_treeids=t["treeids"],
            target_nodeids=t["nodeids"],
            target_ids=t["ids"],
            target_weights_as_tensor=tensor("target_weights_as_tensor", t["weights"]),
        )
        return g.cast(sums, TensorProto.DOUBLE)


def labels(g, operator, chosen):
    """Class indices [N] as the classifier's own labels, into its first output."""
    classes, out = operator.raw_operator.classes_, operator.outputs[0].full_name
    if np.issubdtype(classes.dtype, np.integer) or classes.dtype == bool:
        table = g.const(classes.astype(np.int64), TensorProto.INT64)
    else:
        table = g.const(classes, TensorProto.STRING)
    g("Gather", table, chosen, axis=0, out=out)


def classify(g, operator, probabilities):
    labels(g, operator, g("ArgMax", probabilities, axis=1, keepdims=0))
    g("Identity", probabilities, out=operator.outputs[1].full_name)


def as_float32(g, x):
    """scikit-learn's trees compare inputs rounded to 32 bits with thresholds of 64."""
    return g.cast(g.cast(x, TensorProto.FLOAT), TensorProto.DOUBLE)


def trees_of(model):
    return getattr(model, "estimators_", None) or [model]


def tree_classifier(scope, operator, container):
    g, model = Graph(scope, container), operator.raw_operator
    members = trees_of(model)
    gathered = Ensemble(len(model.classes_))

    def weights_of(values):
        share = values[0] / values[0].sum() / len(members)
        return {k: each for k, each in enumerate(share) if each != 0} or {0: 0.0}

    for member in members:
        gathered.add_fitted(member, weights_of)
    classify(g, operator, gathered.into(g, as_float32(g, join(g, operator))))


def tree_regressor(scope, operator, container):
    g, model = Graph(scope, container), operator.raw_operator
    members = trees_of(model)
    gathered = Ensemble(model.n_outputs_)
    for member in members:
        gathered.add_fitted(
            member, lambda values: {k: row[0] / len(members) for k, row in enumerate(values)}
        )
    sums = gathered.into(g, as_float32(g, join(g, operator)))
    g("Identity", sums, out=operator.outputs[0].full_name)


def boosted(g, operator):
    """Raw scores of gradient boosting: [N, 1] or [N, classes]."""
    model = operator.raw_operator
    x = as_float32(g, join(g, operator))
    width = model.estimators_.shape[1]
    gathered = Ensemble(width)
    for stage in model.estimators_:
        for k, member in enumerate(stage):
            gathered.add_fitted(
                member, lambda values, k=k: {k: values[0][0] * model.learning_rate}
            )
    start = model._raw_predict_init(np.zeros((1, model.n_features_in_), dtype=np.float32))
    return g("Add", gathered.into(g, x), g.const(np.asarray(start, dtype=np.float64)))


def histogram_boosted(g, operator):
    model = operator.raw_operator
    if model.is_categorical_ is not None and np.any(model.is_categorical_):
        raise NotImplementedError("categorical_features of histogram gradient boosting")
    width = model.n_trees_per_iteration_
    gathered = Ensemble(width)
    for stage in model._predictors:
        for k, predictor in enumerate(stage):
            rows, weights = [], []
            for node in predictor.nodes:
                leaf = bool(node["is_leaf"])
                rows.append(
                    None
                    if leaf
                    else (
                        node["feature_idx"],
                        # ONNX has no infinity to compare with in every kernel.
                        np.clip(node["num_threshold"], -1.7e308, 1.7e308),
                        node["left"],
                        node["right"],
                        node["missing_go_to_left"],
                    )
                )
                weights.append({k: node["value"]} if leaf else {})
            gathered.add(rows, weights)
    base = np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1, width)
    return g("Add", gathered.into(g, join(g, operator)), g.const(base))


def boosting_classifier(raw):
    def convert(scope, operator, container):
        g = Graph(scope, container)
        scores = raw(g, operator)
        if len(operator.raw_operator.classes_) > 2:
            classify(g, operator, g("Softmax", scores, axis=1))
            return
        positive = g("Sigmoid", scores)
        classify(g, operator, g("Concat", g("Sub", g.const([[1.0]]), positive), positive, axis=1))

    return convert


def boosting_regressor(raw):
    def convert(scope, operator, container):
        g = Graph(scope, container)
        loss = getattr(operator.raw_operator, "loss", "squared_error")
        scores = raw(g, operator)
        exponential = loss in ("poisson", "gamma")
        g("Exp" if exponential else "Identity", scores, out=operator.outputs[0].full_name)

    return convert


def classifier_shape(operator):
    classes = operator.raw_operator.classes_
    whole = np.issubdtype(classes.dtype, np.integer) or classes.dtype == bool
    operator.outputs[0].type = (Int64TensorType if whole else StringTensorType)([None])
    operator.outputs[1].type = DoubleTensorType([None, len(classes)])


def regressor_shape(operator):
    outputs = getattr(operator.raw_operator, "n_outputs_", 1)
    operator.outputs[0].type = DoubleTensorType([None, outputs])


def ridge_classifier(scope, operator, container):
    """Labels, and the scores they are decided by in the place of probabilities it does not have."""
    g, model = Graph(scope, container), operator.raw_operator
    weights = np.atleast_2d(np.asarray(model.coef_, dtype=np.float64)).T
    start = np.asarray(model.intercept_, dtype=np.float64).reshape(1, -1)
    scores = g("Add", g("MatMul", join(g, operator), g.const(weights)), g.const(start))
    if len(model.classes_) == 2:
        scores = g("Concat", g("Neg", scores), scores, axis=1)
    classify(g, operator, scores)


def support_regressor(scope, operator, container):
    g, model = Graph(scope, container), operator.raw_operator
    if callable(model.kernel) or model.kernel == "precomputed":
        raise NotImplementedError(f"kernel {model.kernel} of {type(model).__name__}")
    x = join(g, operator)
    vectors = np.asarray(model.support_vectors_, dtype=np.float64)
    dot = g("MatMul", x, g.const(vectors.T))
    if model.kernel == "rbf":
        own = g("ReduceSum", g("Mul", x, x), g.const([1], TensorProto.INT64), keepdims=1)
        square = g("Add", own, g.const((vectors**2).sum(axis=1)[None, :]))
        distance = g("Sub", square, g("Mul", dot, g.const([[2.0]])))
        kernel = g("Exp", g("Mul", distance, g.const([[-model._gamma]])))
    elif model.kernel == "linear":
        kernel = dot
    else:
        inner = g("Add", g("Mul", dot, g.const([[model._gamma]])), g.const([[model.coef0]]))
        if model.kernel == "poly":
            kernel = g("Pow", inner, g.const([[float(model.degree)]]))
        else:
            kernel = g("Tanh", inner)
    dual = np.asarray(model.dual_coef_, dtype=np.float64).T
    value = g("MatMul", kernel, g.const(dual))
    start = g.const(np.asarray(model.intercept_, dtype=np.float64).reshape(1, 1))
    g("Add", value, start, out=operator.outputs[0].full_name)


def imputer_shape(operator):
    model = operator.raw_operator
    width = len(kept_columns(model)) + (len(model.indicator_.features_) if model.add_indicator else 0)
    text = isinstance(operator.inputs[0].type, StringTensorType)
    shape = [None, width]
    operator.outputs[0].type = StringTensorType(shape) if text else DoubleTensorType(shape)


def is_nan(value):
    return isinstance(value, (float, np.floating)) and np.isnan(value)


def kept_columns(model):
    """Columns without a single value at fitting time have no statistic and are dropped."""
    if model.keep_empty_features:
        return list(range(len(model.statistics_)))
    return [k for k, each in enumerate(model.statistics_) if not is_nan(each)]


def imputer(scope, operator, container):
    g, model = Graph(scope, container), operator.raw_operator
    kept = kept_columns(model)
    text = isinstance(operator.inputs[0].type, StringTensorType)
    if model.add_indicator and text:
        raise NotImplementedError("add_indicator of SimpleImputer on texts")
    kind = TensorProto.STRING if text else TensorProto.DOUBLE
    if text:
        parts = [each.full_name for each in operator.inputs]
        x = parts[0] if len(parts) == 1 else g("Concat", *parts, axis=1)
    else:
        x = join(g, operator)
    given = x
    if len(kept) < len(model.statistics_):
        x = g("Gather", x, g.const(kept, TensorProto.INT64), axis=1)
    fill = [model.statistics_[k] for k in kept]
    fill = g.const([[as_text(each) for each in fill] if text else fill], kind)
    if text:
        # The empty text stands for a missing one; where numbers are joined with texts, "NaN" does too.
        marks = model.missing_values
        missing = g("Or", g("Equal", x, g.const([""], kind)), g("Equal", x, g.const(["NaN"], kind)))
        if isinstance(marks, str) and marks != "":
            missing = g("Or", missing, g("Equal", x, g.const([marks], kind)))
    else:
        missing = is_missing(g, x, model)
    filled = g("Where", missing, fill, x)
    out = operator.outputs[0].full_name
    if not model.add_indicator:
        g("Identity", filled, out=out)
        return
    watched = g("Gather", given, g.const(model.indicator_.features_, TensorProto.INT64), axis=1)
    g("Concat", filled, g.cast(is_missing(g, watched, model), TensorProto.DOUBLE), axis=1, out=out)


def is_missing(g, x, model):
    if is_nan(model.missing_values) or model.missing_values is None:
        return g("IsNaN", x)
    return g("Equal", x, g.const([model.missing_values]))


def answers_of(model):
    """For each column of an encoder what the encoder itself makes of its categories, in their order, and
    last of an unknown one unless it refuses those: [C or C + 1, width]."""
    lists = model.categories_
    rows = max(len(each) for each in lists)
    columns = {k: np.resize(each, rows) for k, each in enumerate(lists)}
    table = pd.DataFrame(columns)
    if model.handle_unknown != "error":
        nobody = [
            "\0" if each.dtype.kind in "OUS" else float(np.nanmax(each.astype(float), initial=0)) + 1
            for each in lists
        ]
        unknown = pd.DataFrame([nobody], columns=table.columns)
        table = pd.concat([table, unknown], ignore_index=True)
    if hasattr(model, "feature_names_in_"):
        table.columns = model.feature_names_in_
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = model.transform(table)
    made = np.asarray(made.toarray() if hasattr(made, "toarray") else made, dtype=np.float64)
    one_hot = isinstance(model, preprocessing.OneHotEncoder)
    widths = model._n_features_outs if one_hot else [1] * len(lists)
    parts = np.split(made, np.cumsum(widths)[:-1], axis=1)
    return [
        np.concatenate([part[: len(values)], part[rows:]])
        for part, values in zip(parts, lists, strict=True)
    ]


def single_columns(g, operator):
    """The columns of all inputs, each [N, 1], and whether it is of texts."""
    for each in operator.inputs:
        text, width = isinstance(each.type, StringTensorType), each.type.shape[1]
        x = each.full_name
        if not text and not isinstance(each.type, DoubleTensorType):
            x = g.cast(x, TensorProto.DOUBLE)
        for k in range(width):
            place = None if width == 1 else g.const([k], TensorProto.INT64)
            yield (x if place is None else g("Gather", x, place, axis=1)), text


def as_text(value):
    """A category or a filling as a tensor of texts has it: with no null, the empty one for a gap; and
    what becomes of a number that is joined with texts, which has no sign of having been a boolean."""
    if not isinstance(value, str) and pd.isna(value):
        return ""
    return f"{float(value):.17g}" if isinstance(value, NUMBERS) else str(value)


def index_of(g, x, text, categories):
    """Which category each value of `x` is, [N]; their number for an unknown one."""
    count, gaps = len(categories), np.flatnonzero(pd.isna(categories))
    if text:
        keys = {as_text(each): k for k, each in reversed(list(enumerate(categories)))}
        found = g(
            "LabelEncoder",
            x,
            domain=ML,
            version=2,
            keys_strings=list(keys),
            values_int64s=list(keys.values()),
            default_int64=count,
        )
    else:
        hits = g.cast(g("Equal", x, g.const([categories.astype(np.float64)])), TensorProto.DOUBLE)
        none = g("Sub", g.const([[0.5]]), g("ReduceMax", hits, g.const([1], TensorProto.INT64), version=18))
        # The first of the largest: what nobody hits comes after all categories.
        found = g("ArgMax", g("Concat", hits, none, axis=1), axis=1, keepdims=1)
        if len(gaps) > 0:
            found = g("Where", g("IsNaN", x), g.const([gaps[0]], TensorProto.INT64), found)
    return g("Reshape", found, g.const([-1], TensorProto.INT64))


def encoder(scope, operator, container):
    """One-hot and ordinal encoders by the value of a category, whatever its type, gaps among them."""
    g, model = Graph(scope, container), operator.raw_operator
    one_hot = isinstance(model, preprocessing.OneHotEncoder)
    whole = TensorProto.INT64
    parts = []
    for (x, text), values, made in zip(
        single_columns(g, operator), model.categories_, answers_of(model), strict=True
    ):
        width = made.shape[1]
        if width == 0:
            continue
        # Without an answer for an unknown category its index leads nowhere, which ends the run as it should.
        index = index_of(g, x, text, values)
        if not one_hot:
            codes = g("Gather", g.const(made[:, 0]), index, axis=0)
            parts.append(g("Reshape", codes, g.const([-1, 1], whole)))
            continue
        places = np.where(made.any(axis=1), made.argmax(axis=1), width)
        place = g("Gather", g.const(places, whole), index, axis=0)
        wide = g("OneHot", place, g.const([width + 1], whole), g.const([0.0, 1.0], TensorProto.FLOAT))
        parts.append(g("Slice", wide, g.const([0], whole), g.const([width], whole), g.const([1], whole)))
    joined = parts[0] if len(parts) == 1 else g("Concat", *parts, axis=1)
    g.cast(joined, TensorProto.DOUBLE, out=operator.outputs[0].full_name)


def encoder_shape(operator):
    width = sum(each.shape[1] for each in answers_of(operator.raw_operator))
    operator.outputs[0].type = DoubleTensorType([None, width])


def register():
    """Puts the converters above in the place of skl2onnx's own."""
    options = {"zipmap": [True, False, "columns"], "raw_scores": [True, False], "nocl": [True, False]}
    for model, convert in (
        (tree.DecisionTreeClassifier, tree_classifier),
        (tree.ExtraTreeClassifier, tree_classifier),
        (ensemble.RandomForestClassifier, tree_classifier),
        (ensemble.ExtraTreesClassifier, tree_classifier),
        (ensemble.GradientBoostingClassifier, boosting_classifier(boosted)),
        (linear_model.RidgeClassifier, ridge_classifier),
        (svm.LinearSVC, ridge_classifier),
        (ensemble.HistGradientBoostingClassifier, boosting_classifier(histogram_boosted)),
    ):
        name = f"Double{model.__name__}"
        update_registered_converter(model, name, classifier_shape, convert, options=options)
    for model, convert in (
        (tree.DecisionTreeRegressor, tree_regressor),
        (tree.ExtraTreeRegressor, tree_regressor),
        (ensemble.RandomForestRegressor, tree_regressor),
        (ensemble.ExtraTreesRegressor, tree_regressor),
        (ensemble.GradientBoostingRegressor, boosting_regressor(boosted)),
        (svm.SVR, support_regressor),
        (svm.NuSVR, support_regressor),
        (ensemble.HistGradientBoostingRegressor, boosting_regressor(histogram_boosted)),
    ):
        update_registered_converter(model, f"Double{model.__name__}", regressor_shape, convert)
    update_registered_converter(impute.SimpleImputer, "DoubleSimpleImputer", imputer_shape, imputer)
    for model in (preprocessing.OneHotEncoder, preprocessing.OrdinalEncoder):
        update_registered_converter(model, f"Double{model.__name__}", encoder_shape, encoder)
