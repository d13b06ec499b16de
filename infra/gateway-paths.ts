/** Paths that the gateway lets through: each whole, or all that begin with what stands before a `*`. */
export type Paths = readonly string[];

/**
 * What the service has for its callers. `{}` stands for one segment, such as a model's name; what a
 * replica says about itself alone is read inside the network, on another port.
 */
export const servicePaths: Paths = [
  "/predict",
  "/healthz",
  "/readyz",
  "/model",
  "/openapi.json",
  "/docs",
  "/docs/{}",
  "/v2",
  "/v2/health/live",
  "/v2/health/ready",
  "/v2/models/{}",
  "/v2/models/{}/ready",
  "/v2/models/{}/infer",
  "/v2/models/{}/versions/{}",
  "/v2/models/{}/versions/{}/ready",
  "/v2/models/{}/versions/{}/infer",
];

const pattern = (path: string): string =>
  path.replace(/[.+()|^$\\]/g, "\\$&").replaceAll("{}", "[^/]+");

/** Lines of HAProxy's for a condition that holds for these paths and no others. */
export function pathsAcl(name: string, paths: Paths): string[] {
  const lists = [
    // Looked up in a tree; the others are tried only where it does not have it.
    ["path", paths.filter((path) => !/[*{]/.test(path))],
    ["path_beg", paths.filter((path) => path.endsWith("*")).map((path) => path.slice(0, -1))],
    ["path_reg", paths.filter((path) => path.includes("{}")).map((path) => `^${pattern(path)}$`)],
  ] as const;
  return lists.flatMap(([match, list]) =>
    list.length === 0 ? [] : [`acl ${name} ${match} ${list.join(" ")}`],
  );
}
