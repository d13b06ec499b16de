/** The peer broke the protocol: the connection ends. */
export class ConnectionError extends Error {
  /** One of ERROR in frame.ts. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}
