"""Makes models as people bring them, has each made into what is served, and prints what came of it.

Writes into the folder named by the argument, for each case: `<case>/given`, what was brought;
`<case>/served`, what was made of it; and prints {case: {"refused": …} or {"facts", "rows", "answers"}}:
rows as `/predict` takes them, some with null where that may be, and the original's predictions on them.
"""

import gzip
import json
import logging
import sys
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import cloudpickle
import joblib
import mlflow
import numpy as np
import onnx
import pandas as pd
import sklearn
from onnx import TensorProto, helper
from sklearn import ensemble, linear_model, svm
from sklearn.compose import make_column_transformer as by_columns
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from folder import convert_folder
from refused import Refused

random = np.random.default_rng(5)
COUNT = 600
TABLE = pd.DataFrame(
    {
        "age": random.integers(18, 80, COUNT),
        "fare": random.gamma(2, 20, COUNT).round(2),
        "pclass": random.integers(1, 4, COUNT),
        "port": random.choice(["Lima", "Paris", "Zürich"], COUNT),
        "member": random.random(COUNT) > 0.4,
    }
)
NUMBERS = ["age", "fare"]
SCORE = TABLE["age"] / 40 + TABLE["fare"] / 50 - TABLE["pclass"] + TABLE["member"]
OVER = SCORE > SCORE.median()
ANSWER = np.where(OVER, "ähm", "no")
GAPS = TABLE.astype({"member": object, "pclass": float})
for column, every in {"fare": 7, "pclass": 11, "port": 5, "member": 13}.items():
    GAPS.loc[::every, column] = np.nan
LOGISTIC = linear_model.LogisticRegression


def fit(model, target=ANSWER, table=TABLE):
    return model.fit(table, target)


def brought():
    """(case, what was fitted or written, rows or None, options)"""
    yield from labels()
    yield from categories()
    yield from gaps()
    yield from names()
    yield from folders()
    yield from graphs()


def labels():
    numbers = TABLE[NUMBERS]
    for kind, target in {
        "boolean": OVER,
        "float": OVER.astype(float),
        "integer": np.where(OVER, 7, 5),
        "numpy text": np.asarray(ANSWER, dtype="<U3"),
    }.items():
        for name, model in {
            "logistic": make_pipeline(StandardScaler(), LOGISTIC()),
            "forest": ensemble.RandomForestClassifier(10, random_state=0),
            "boosting": ensemble.GradientBoostingClassifier(n_estimators=10, random_state=0),
            "histogram": ensemble.HistGradientBoostingClassifier(max_iter=10),
            "margins": make_pipeline(StandardScaler(), svm.LinearSVC()),
            "adaptive": ensemble.AdaBoostClassifier(n_estimators=5, random_state=0),
            "vote": ensemble.VotingClassifier([("a", LOGISTIC()), ("b", ensemble.ExtraTreesClassifier(5))]),
        }.items():
            yield f"{kind} labels, {name}", fit(model, target, numbers), numbers, {}
    third = np.asarray([5, 7, 9])[pd.qcut(SCORE, 3, labels=False)]
    histogram = fit(ensemble.HistGradientBoostingClassifier(max_iter=10), third, numbers)
    yield "names of classes", histogram, numbers, {"classNames": ["A", "B", "C"]}
    yield "too few names of classes", histogram, numbers, {"classNames": ["A", "B"]}
    yield "contrary", contrary(fit(make_pipeline(StandardScaler(), LOGISTIC()), ANSWER, numbers)), numbers, {}



def contrary(model):
    """Says what no conversion of it can, on one row in 50."""
    predict = model.predict

    def otherwise(rows):
        said = predict(rows).copy()
        if len(said) > 50:
            said[::50] = np.where(said[::50] == "no", "ähm", "no")
        return said

    model.predict = otherwise
    return model


def categories():
    for kind, encoder in {
        "one-hot": OneHotEncoder(),
        "one-hot that ignores": OneHotEncoder(handle_unknown="ignore"),
        "one-hot of the frequent": OneHotEncoder(handle_unknown="infrequent_if_exist", max_categories=2),
        "ordinal": OrdinalEncoder(),
    }.items():
        model = fit(
            make_pipeline(by_columns((encoder, ["pclass", "port"]), (StandardScaler(), NUMBERS)), LOGISTIC())
        )
        yield f"{kind}, one row", model, TABLE[:1], {}
        yield f"{kind}, few rows", model, TABLE[:30], {}
        yield f"{kind}, few rows of floats", model, TABLE[:30].astype({"pclass": float}), {}
        yield f"{kind}, many rows", model, pd.concat([TABLE, TABLE]), {}
        yield f"{kind}, no rows", model, None, {}
    once = fit(make_pipeline(by_columns((OneHotEncoder(), ["port"]), (StandardScaler(), NUMBERS)), LOGISTIC()))
    yield "some rows of nobody's", once, pd.concat([TABLE[:20], TABLE[:3].assign(port="Oslo")]), {}
    yield "only rows of nobody's", once, TABLE[:3].assign(port="Oslo"), {}


def gaps():
    imputed = by_columns(
        (make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), [*NUMBERS, "pclass"]),
        (make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()), ["port", "member"]),
    )
    forest = ensemble.RandomForestClassifier(20, random_state=0)
    model = fit(make_pipeline(imputed, forest), ANSWER, GAPS)
    yield "imputed, no rows", model, None, {}
    yield "imputed, complete rows", model, TABLE, {}
    yield "imputed, rows with gaps", model, GAPS, {}
    marked = by_columns((SimpleImputer(add_indicator=True), ["fare"]), (StandardScaler(), ["age"]))
    yield "imputed and marked", fit(make_pipeline(marked, LOGISTIC()), ANSWER, GAPS), TABLE, {}
    met = by_columns((OneHotEncoder(handle_unknown="ignore"), ["port", "pclass"]), (StandardScaler(), ["age"]))
    yield "encoder that met gaps", fit(make_pipeline(met, LOGISTIC()), ANSWER, GAPS), GAPS, {}
    codes = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2)
    coded = by_columns((codes, ["port", "pclass"]), ("passthrough", ["age"]))
    yield "codes of gaps", fit(make_pipeline(coded, forest), ANSWER, GAPS), GAPS, {}
    histogram = ensemble.HistGradientBoostingRegressor(max_iter=20)
    yield "histogram, complete rows", fit(histogram, SCORE, TABLE[[*NUMBERS, "member"]]), TABLE, {}
    yield "forest, complete rows", fit(forest, ANSWER, TABLE[NUMBERS]), TABLE, {}
    plain = by_columns((OneHotEncoder(handle_unknown="ignore"), ["port"]), (StandardScaler(), NUMBERS))
    model = fit(make_pipeline(plain, LOGISTIC()))
    yield "not made for gaps", model, TABLE, {}
    yield "asked for gaps", model, TABLE, {"nullable": ["port"]}
    yield "asked for gaps it refuses", model, TABLE, {"nullable": ["fare"]}
    yield "asked for gaps of nobody's", model, TABLE, {"nullable": ["cabin"]}
    near = by_columns((KNNImputer(), NUMBERS))
    yield "neighbours imputed", fit(make_pipeline(near, LOGISTIC()), ANSWER, GAPS), TABLE, {}
    passed = by_columns(("passthrough", ["member", "age"]), (OneHotEncoder(), ["port"]))
    yield "boolean passed on", fit(make_pipeline(passed, ensemble.GradientBoostingClassifier())), TABLE, {}
    encoded = by_columns((OneHotEncoder(), ["member", "port"]), remainder="passthrough")
    yield "boolean encoded", fit(make_pipeline(encoded, LOGISTIC(max_iter=2000))), TABLE, {}


def names():
    for first, second in [
        ("prediction", "prediction_1"),
        ("label", "probabilities"),
        ("input", "variable"),
        ("output_label", "transformed_column"),
        ("größe in m²", "größe_in_m²"),
        ("const", "Gather"),
    ]:
        table = TABLE[["age", "fare", "port"]].set_axis([first, second, "port"], axis=1)
        steps = by_columns((StandardScaler(), [first, second]), (OneHotEncoder(), ["port"]))
        for kind, model, target in [
            ("classifier", LOGISTIC(), ANSWER),
            ("trees", ensemble.RandomForestClassifier(5, random_state=0), ANSWER),
            ("regression", linear_model.Ridge(), SCORE),
        ]:
            yield f"{kind} of {first}", fit(make_pipeline(steps, model), target, table), table, {}
    lone = TABLE[["fare"]].set_axis(["input"], axis=1)
    yield "lone input", fit(linear_model.Ridge(), SCORE, lone), lone, {}
    picked = make_pipeline(by_columns((StandardScaler(), ["input"])), linear_model.Ridge())
    yield "lone input, picked", fit(picked, SCORE, lone), lone, {}


class Written:
    """What is brought as files; `original` predicts, where something else than the files does."""

    def __init__(self, write, original=None):
        self.write, self.original = write, original


def folders():
    numbers = TABLE[NUMBERS]
    model = fit(make_pipeline(StandardScaler(), LOGISTIC()), ANSWER, numbers)
    for kind in ("cloudpickle", "skops"):

        def write(folder, kind=kind):
            signature = mlflow.models.infer_signature(numbers, model.predict(numbers))
            mlflow.sklearn.save_model(
                model, folder, serialization_format=kind, signature=signature, input_example=numbers[:5]
            )

        yield f"MLflow folder, {kind}", Written(write, model), None, {}

    def beside(folder):
        write(folder)
        (folder / "artifacts").mkdir()
        # Of somebody's experiment; the model is the pickle.
        for name in ("old.onnx", "older.onnx"):
            (folder / "artifacts" / name).write_bytes(b"")

    yield "MLflow folder, ONNX files beside the pickle", Written(beside, model), None, {}

    def by_old(folder, damage=False, compressed=False):
        pickled = cloudpickle.dumps(model).replace(sklearn.__version__.encode(), b"1.3.2")
        if damage:
            pickled = pickled.replace(b"StandardScaler", b"StandardSailor")
        folder.mkdir()
        file = gzip.open if compressed else open
        with file(folder / "old.pkl", "wb") as stream:
            stream.write(pickled)

    yield "other version", Written(by_old, model), numbers, {}
    yield "other version that cannot be read", Written(lambda folder: by_old(folder, True)), numbers, {}
    yield "other version, compressed", Written(lambda folder: by_old(folder, True, True)), numbers, {}


def graphs():
    """ONNX models; those that are refused here the service refuses as well."""

    def value(name, kind=TensorProto.FLOAT, shape=(None, 2)):
        return helper.make_tensor_value_info(name, kind, list(shape))

    def graph(inputs, outputs, *nodes):
        made = helper.make_model(
            helper.make_graph(list(nodes), "g", inputs, outputs),
            opset_imports=[helper.make_opsetid("", 19), helper.make_opsetid("ai.onnx.ml", 3)],
            ir_version=9,
        )

        def write(folder, *_):
            folder.mkdir()
            onnx.save(made, str(folder / "model.onnx"))

        return Written(write)

    node = helper.make_node
    rows = pd.DataFrame({"a": [1.5, 2.5], "b": [True, False]})
    twice = node("Add", ["x", "x"], ["y"])
    yield "onnx", graph([value("x")], [value("y")], twice), None, {}
    yield "onnx with rows", graph([value("x")], [value("y")], twice), rows, {"features": ["a", "b"]}
    yield "onnx with other rows", graph([value("x")], [value("y")], twice), rows, {"features": ["a", "c"]}
    text = [value("text", TensorProto.STRING, (None, 1))], [value("same", TensorProto.STRING, (None, 1))]
    yield "onnx of a lone text", graph(*text, node("Identity", ["text"], ["same"])), None, {}
    sequence = helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, [None, 2])
    yield "onnx, sequence", graph([value("x")], [sequence], node("SequenceConstruct", ["x"], ["s"])), None, {}
    half = TensorProto.FLOAT16
    yield "onnx, half", graph([value("x", half)], [value("y", half)], twice), None, {}
    yield "onnx, half answered", graph([value("x")], [value("y", half)], node("Cast", ["x"], ["y"], to=half)), None, {}
    scalar = graph([value("x", shape=())], [value("y", shape=())], twice)
    yield "onnx, scalar", scalar, None, {}
    both = [value("x", shape=(1, 2)), value("z", shape=(3, 2))]
    yield "onnx, other rows", graph(both, [value("y", shape=(3, 2))], node("Add", ["x", "z"], ["y"])), None, {}
    maps = helper.make_value_info("m", helper.make_sequence_type_proto(helper.make_map_type_proto(
        TensorProto.INT64, helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    )))
    zipped = node("ZipMap", ["x"], ["m"], domain="ai.onnx.ml", classlabels_int64s=[0, 1])
    yield "onnx, zipped", graph([value("x")], [maps], zipped), None, {}

    # What was published once, by its folder; and with a signature that says less than there is.
    numbers = TABLE[[*NUMBERS, "member", "port"]]
    steps = by_columns((OneHotEncoder(handle_unknown="ignore"), ["port"]), remainder="passthrough")
    model = fit(make_pipeline(steps, ensemble.HistGradientBoostingClassifier(max_iter=5)), OVER, numbers)

    def again(folder, short=False):
        once = folder.parent / "once"
        once.mkdir()
        joblib.dump(model, once / "model.pkl")
        numbers.to_csv(once.parent / "once.csv", index=False)
        convert_folder(once, folder, {"sample": once.parent / "once.csv", "nullable": ["port"]})
        if short:
            said = mlflow.models.Model.load(str(folder))
            said.signature = mlflow.models.infer_signature(numbers, model.predict(numbers))
            said.metadata = None
            said.save(str(folder / "MLmodel"))

    yield "onnx folder", Written(again, model), None, {}
    yield "onnx folder, short signature", Written(lambda folder: again(folder, True), model), None, {}


def asked(facts, rows):
    """Rows to ask both with: some of those kept, then one with null in each column that takes it."""
    some = rows[:20]
    nullable = [name for name, column in facts["columns"].items() if column["nullable"]]
    return some + [some[0] | {name: None} for name in nullable for _ in some[:1]]


def as_original(rows, original):
    table = pd.DataFrame(rows)
    for name in table:
        if table[name].dtype == object or table[name].dtype.name == "str":
            table[name] = table[name].astype(object).where(table[name].notna(), np.nan)
    names = getattr(original, "feature_names_in_", None)
    for name in [] if names is None else names:
        if name not in table:
            # A column that no step reads.
            table[name] = 0
    return table if names is None else table[list(names)]


def main(out):
    results = {}
    for case, model, rows, options in brought():
        folder = out / case.replace(" ", "-")
        folder.mkdir()
        given, original = folder / "given", model
        if isinstance(model, Written):
            original = model.original
            model.write(given)
        else:
            given.mkdir()
            (given / "model.pkl").write_bytes(cloudpickle.dumps(model))
        if rows is not None:
            rows.to_csv(folder / "rows.csv", index=False)
            options = options | {"sample": folder / "rows.csv"}
        said = []
        try:
            facts = convert_folder(given, folder / "served", options, said.append)
        except Refused as error:
            results[case] = {"refused": str(error), "said": said}
            continue
        file = folder / "served/sample_rows.json"
        kept = json.loads(file.read_text()) if file.exists() else []
        results[case] = {"facts": facts, "said": said, "rows": asked(facts, kept) if kept else [], "kept": kept}
        if original is not None:
            answers = original.predict(as_original(results[case]["rows"], original))
            results[case]["answers"] = np.asarray(answers).tolist()
    json.dump(results, sys.stdout, allow_nan=False)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
