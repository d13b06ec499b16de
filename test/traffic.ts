/** One valid row of the embedded model. */
export const sample = { sepal_length: 5.1, sepal_width: 3.5, petal_length: 1.4, petal_width: 0.2 };

export async function predict(apiUrl: string): Promise<{ status: number; body: string }> {
  const reply = await fetch(`${apiUrl}/predict`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(sample),
    signal: AbortSignal.timeout(10_000),
  });
  return { status: reply.status, body: await reply.text() };
}

export interface Traffic {
  /** Ends it after what is in flight. */
  stop(): Promise<Sent>;
}

export interface Sent {
  readonly sent: number;
  readonly failures: readonly string[];
  readonly slowestMs: number;
}

/** Requests from a few clients, each one after another, until stopped. */
export function constantTraffic(apiUrl: string, clients = 8): Traffic {
  let going = true;
  let sent = 0;
  let slowestMs = 0;
  const failures: string[] = [];
  const client = async () => {
    while (going) {
      sent++;
      const since = performance.now();
      try {
        const { status, body } = await predict(apiUrl);
        if (status !== 200) failures.push(`${status} ${body}`);
      } catch (error) {
        failures.push(String(error));
      }
      slowestMs = Math.max(slowestMs, performance.now() - since);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const all = Promise.all(Array.from({ length: clients }, client));
  return {
    async stop() {
      going = false;
      await all;
      return { sent, failures, slowestMs };
    },
  };
}
