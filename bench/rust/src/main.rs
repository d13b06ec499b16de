//! The peer to be measured against: what a small server in Rust needs for the same prediction. One
//! thread, axum, ONNX Runtime; what waits at the same time is one run of the model. It checks nothing
//! beyond the types, and has no metrics, limits or documentation.
//!
//! Environment: HOST, PORT, MODEL (the iris classifier's file), ORT_DYLIB_PATH (ONNX Runtime's library).

use std::env;

use axum::{
    extract::State,
    routing::{get, post},
    Json, Router,
};
use ort::{session::Session, value::Tensor};
use serde::{Deserialize, Serialize};
use tokio::{
    net::TcpListener,
    sync::{mpsc, oneshot},
    task::yield_now,
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rows of one run, at most.
const MOST_ROWS: usize = 256;
const CLASSES: [&str; 3] = ["setosa", "versicolor", "virginica"];

#[derive(Deserialize)]
struct Flower {
    sepal_length: f32,
    sepal_width: f32,
    petal_length: f32,
    petal_width: f32,
}

#[derive(Serialize)]
struct Probabilities {
    setosa: f32,
    versicolor: f32,
    virginica: f32,
}

#[derive(Serialize)]
struct Prediction {
    label: i64,
    class: &'static str,
    probabilities: Probabilities,
}

/// A row, and who waits for what becomes of it.
type Waiting = (Flower, oneshot::Sender<Prediction>);

async fn predict(
    State(queue): State<mpsc::UnboundedSender<Waiting>>,
    Json(flower): Json<Flower>,
) -> Json<Prediction> {
    let (answer, answered) = oneshot::channel();
    queue.send((flower, answer)).expect("the model's loop never ends");
    Json(answered.await.expect("every row is answered"))
}

/// Runs the model on whatever waits, again and again.
async fn run_batches(mut session: Session, mut queue: mpsc::UnboundedReceiver<Waiting>) {
    let input = session.inputs[0].name.clone();
    let mut batch = Vec::with_capacity(MOST_ROWS);
    while queue.recv_many(&mut batch, MOST_ROWS).await > 0 {
        // Whoever has sent something by now is read first, and joins in.
        yield_now().await;
        while batch.len() < MOST_ROWS {
            let Ok(waiting) = queue.try_recv() else { break };
            batch.push(waiting);
        }
        let rows: Vec<f32> = batch
            .iter()
            .flat_map(|(f, _)| [f.sepal_length, f.sepal_width, f.petal_length, f.petal_width])
            .collect();
        let tensor = Tensor::from_array(([batch.len(), 4], rows)).expect("four values a row");
        let outputs = session.run(ort::inputs![input.as_str() => tensor]).expect("the model runs");
        let (_, labels) = outputs[0].try_extract_tensor::<i64>().expect("labels are integers");
        let (_, shares) = outputs[1].try_extract_tensor::<f32>().expect("shares are floats");
        for (i, (_, answer)) in batch.drain(..).enumerate() {
            let [setosa, versicolor, virginica] = [0, 1, 2].map(|class| shares[i * 3 + class]);
            // A client that has gone away waits for nothing.
            let _ = answer.send(Prediction {
                label: labels[i],
                class: CLASSES[labels[i] as usize],
                probabilities: Probabilities { setosa, versicolor, virginica },
            });
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let session =
        Session::builder()?.with_intra_threads(1)?.commit_from_file(env::var("MODEL")?)?;
    let (queue, waiting) = mpsc::unbounded_channel();
    tokio::spawn(run_batches(session, waiting));
    let app = Router::new()
        .route("/predict", post(predict))
        .route("/readyz", get(|| async { "ready\n" }))
        .with_state(queue);
    let host = env::var("HOST").unwrap_or_else(|_| "127.0.0.1".into());
    let listener = TcpListener::bind(format!("{host}:{}", env::var("PORT")?)).await?;
    axum::serve(listener, app).await?;
    Ok(())
}
