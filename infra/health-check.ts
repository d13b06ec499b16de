/**
 * A health check that is satisfied by a 200 from inside the container. It is bash's own /dev/tcp: a
 * second Node process would take longer, and more memory, than small limits allow.
 * @param since a file without which nothing is asked yet, and it is satisfied
 */
export function answersOk(port: number, path: string, since?: string): readonly string[] {
  const request = `GET ${path} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n`;
  const script =
    `exec 3<>/dev/tcp/127.0.0.1/${port} && printf '${request}' >&3 && ` +
    `read -r line <&3 && [[ $line == *" 200 "* ]]`;
  return ["bash", "-c", since === undefined ? script : `[[ ! -s ${since} ]] || { ${script}; }`];
}

/** Satisfied as long as the container runs at all. */
export const isAlive: readonly string[] = ["true"];
