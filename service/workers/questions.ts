/** Answers to questions asked of another process. */
export class Questions<T> {
  readonly #open = new Map<number, (answer: T) => void>();
  #next = 0;

  /** `otherwise` is the answer when none comes within `ms`. */
  ask(send: (id: number) => void, ms: number, otherwise: T): Promise<T> {
    const id = this.#next++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.answer(id, otherwise);
      }, ms);
      this.#open.set(id, (answer) => {
        clearTimeout(timer);
        resolve(answer);
      });
      send(id);
    });
  }

  answer(id: number, answer: T): void {
    this.#open.get(id)?.(answer);
    this.#open.delete(id);
  }

  /** Nobody is there any more who could. */
  answerAll(answer: T): void {
    for (const id of [...this.#open.keys()]) this.answer(id, answer);
  }
}
