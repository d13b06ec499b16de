/** Variables that say what this machine is, and how it reaches registries. */
const kept = [
  /^(PATH|HOME|USER|LOGNAME|SHELL|TERM|TZ|TMPDIR|LD_LIBRARY_PATH)$/,
  /^XDG_/,
  // The test runner's own.
  /^(VITEST|NODE_ENV$|TEST$|DEV$|PROD$|SSR$|MODE$|BASE_URL$|TINYPOOL)/,
  // Which engine: its address, not somebody's contexts.
  /^DOCKER_(HOST|TLS_VERIFY|CERT_PATH|API_VERSION)$/,
  /^(https?|all|no)_proxy$/i,
  /^(NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE)$/,
  /^(pip|pyenv|toolchain)_/i,
  // Where npm has packages from; not how loud the one is that started the tests.
  /^npm_config_(registry|cache|(user|global)config|https?_proxy|proxy|noproxy|ca|cafile|strict_ssl)$/i,
  /^(CGO_|GO)[A-Z_]+$/,
];

const local = "localhost,127.0.0.1,::1";

/**
 * The environment that tests are run in, of the one they were started in. Pure.
 *
 * @param dockerConfig an empty folder: no credentials, contexts or proxies of anybody
 */
export function testEnvironment(
  caller: NodeJS.ProcessEnv,
  dockerConfig: string,
): Record<string, string> {
  const own = Object.entries(caller).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && kept.some((pattern) => pattern.test(entry[0])),
  );
  const proxies = [caller["no_proxy"], caller["NO_PROXY"]].find((value) => value);
  const beside = proxies === undefined ? local : `${proxies},${local}`;
  return {
    ...Object.fromEntries(own),
    // What a test starts is on this machine, whatever leads out of it.
    no_proxy: beside,
    NO_PROXY: beside,
    LC_ALL: "C.UTF-8",
    DOCKER_CONFIG: dockerConfig,
    // Nobody's hooks, signatures or ignored files; and a clone may be another user's.
    GIT_CONFIG_GLOBAL: "/dev/null",
    GIT_CONFIG_NOSYSTEM: "1",
    GIT_CONFIG_COUNT: "1",
    GIT_CONFIG_KEY_0: "safe.directory",
    GIT_CONFIG_VALUE_0: "*",
  };
}
