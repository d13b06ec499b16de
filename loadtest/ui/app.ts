// What the page does: events in, state changed, page drawn anew at most once a frame.
import { emptyView, fold, type RunEvent, type RunView } from "../events.ts";
import { fieldsOf, nextDefaults, swarmBody } from "./form.ts";
import { master, Refused } from "./master.ts";
import { firstState, type Dialog, type State } from "./state.ts";

/** What a person can do on the page. */
export interface Actions {
  tab: (id: string) => void;
  open: (dialog: Dialog) => void;
  close: () => void;
  /** Starts a run or, while one goes on, changes its users. */
  swarm: (form: HTMLFormElement) => void;
  /** Lets requests under way end; the second time, gives them up. */
  stop: () => void;
  reset: () => void;
  login: (form: HTMLFormElement) => void;
  sort: (table: string, column: number) => void;
  choose: (run: string, chosen: boolean) => void;
  forget: (run: string) => void;
}

export class App implements Actions {
  readonly state: State;
  readonly #draw: (state: State, actions: Actions) => void;
  #drawing = false;
  #source: EventSource | undefined;
  /** Whether nothing has come yet on this connection. */
  #fresh = true;

  constructor(kind: State["kind"], draw: (state: State, actions: Actions) => void) {
    this.state = firstState(kind);
    this.#draw = draw;
  }

  /** Draws what has changed, once a frame however much has. */
  changed(): void {
    if (this.#drawing) return;
    this.#drawing = true;
    // A page in the background gets no frames: it is drawn when it is looked at again.
    requestAnimationFrame(() => {
      this.#drawing = false;
      this.#draw(this.state, this);
    });
  }

  fold(event: RunEvent): void {
    // A stream begins with the run it is about; a master begun anew has none.
    if (this.#fresh && event.type !== "started") this.state.view = emptyView();
    this.#fresh = false;
    fold(this.state.view, event);
    if (event.type === "ended") this.#listRuns();
    this.changed();
  }

  /** Listens to the master; a lost stream is taken up again by the browser, from the run's start. */
  listen(): void {
    this.#source?.close();
    const source = new EventSource("/api/events");
    this.#source = source;
    source.onopen = () => {
      this.#fresh = true;
      this.#connection("open");
    };
    source.onmessage = ({ data }: MessageEvent<string>) => {
      this.fold(JSON.parse(data) as RunEvent);
    };
    source.onerror = () => {
      this.#connection("lost");
      // Refused for good, such as for want of a token: the browser does not try again.
      if (source.readyState === EventSource.CLOSED)
        this.#later(() => {
          this.connect();
        });
    };
  }

  #connection(connection: State["connection"]): void {
    this.state.connection = connection;
    this.changed();
  }

  #later(what: () => void): void {
    setTimeout(what, 2000);
  }

  /** Asks the master how things stand, then listens; asks for the token where one is needed. */
  connect(): void {
    master.state().then(
      (server) => {
        this.state.server = server;
        this.state.locked = false;
        this.listen();
        this.#listRuns();
        this.changed();
      },
      (error: unknown) => {
        if (error instanceof Refused && error.status === 401) {
          this.state.locked = true;
          this.open("token");
        } else {
          this.#connection("lost");
          this.#later(() => {
            this.connect();
          });
        }
      },
    );
  }

  #listRuns(): void {
    if (this.state.kind === "report") return;
    master.runs().then(
      (listed) => {
        this.state.runs.listed = listed;
        this.changed();
      },
      () => undefined,
    );
  }

  /** Does one thing at the master; says what it refused. */
  #ask(what: () => Promise<void>, then?: () => void): void {
    this.state.busy = true;
    this.state.refused = null;
    this.changed();
    what()
      .then(then, (error: unknown) => {
        this.state.refused = (error as Error).message;
        if (error instanceof Refused && error.status === 401) this.state.dialog = "token";
      })
      .finally(() => {
        this.state.busy = false;
        this.changed();
      });
  }

  tab(id: string): void {
    this.state.tab = id;
    history.replaceState(null, "", `#${id}`);
    if (id === "runs") this.#listRuns();
    this.changed();
  }

  open(dialog: Dialog): void {
    this.state.refused = null;
    this.state.dialog = dialog;
    this.changed();
  }

  close(): void {
    this.state.dialog = null;
    this.state.refused = null;
    this.changed();
  }

  swarm(form: HTMLFormElement): void {
    const body = swarmBody(fieldsOf(new FormData(form)));
    this.#ask(
      () => master.swarm(body),
      () => {
        const { server, dialog } = this.state;
        if (server !== undefined && dialog !== "edit")
          server.defaults = nextDefaults(server.defaults, body);
        this.state.dialog = null;
      },
    );
  }

  stop(): void {
    const now = this.state.view.state === "stopping";
    this.#ask(() => master.stop(now));
  }

  reset(): void {
    this.#ask(() => master.reset());
  }

  login(form: HTMLFormElement): void {
    const token = fieldsOf(new FormData(form)).get("token") ?? "";
    this.#ask(
      () => master.login(token),
      () => {
        this.state.dialog = null;
        this.connect();
      },
    );
  }

  sort(table: string, column: number): void {
    const now = this.state.sort[table];
    this.state.sort[table] = {
      column,
      descending: now?.column === column ? !now.descending : true,
    };
    this.changed();
  }

  choose(run: string, chosen: boolean): void {
    const { runs } = this.state;
    runs.chosen = runs.chosen.filter((id) => id !== run);
    if (chosen) {
      runs.chosen.push(run);
      if (!runs.views.has(run)) {
        this.#ask(async () => {
          const events = await master.run(run);
          runs.views.set(run, events.reduce<RunView>(fold, emptyView()));
        });
      }
    }
    this.changed();
  }

  forget(run: string): void {
    this.choose(run, false);
    this.#ask(async () => {
      await master.forget(run);
      this.state.runs.listed = await master.runs();
    });
  }
}
