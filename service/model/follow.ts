import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import { SettingsError, type ServiceSettings } from "../settings.ts";
import type { Credentials } from "./http.ts";
import type { Candidate } from "./installer.ts";
import { openRegistry, type RegistrySettings } from "./registry.ts";
import { watchModel, type Watcher, type WatchEvent, type WatchStatus } from "./watch.ts";

/** Names of the files in `secretsFolder`; those that are not there say nothing. */
export const SECRETS = {
  mlflowUser: "mlflow-user",
  mlflowPassword: "mlflow-password",
  mlflowToken: "mlflow-token",
  s3AccessKey: "s3-access-key",
  s3SecretKey: "s3-secret-key",
  ca: "ca.pem",
} as const;

export interface Following {
  readonly settings: ServiceSettings;
  /** Has every process of this replica serve a candidate, all at once; throws when one refuses it. */
  readonly install: (candidate: Candidate) => Promise<void>;
  readonly onStatus: (status: WatchStatus) => void;
  readonly log: Logger;
}

/**
 * Has the model served that the registry points at, and whatever it points at afterwards.
 * Throws SettingsError for settings that contradict each other.
 */
export function followRegistry({ settings, install, onStatus, log }: Following): Watcher {
  const registry = registrySettings(settings);
  const { pointer } = registry.reference;
  const pointed = pointer.kind === "alias" ? { alias: pointer.alias } : { stage: pointer.stage };
  return watchModel({
    source: openRegistry(registry),
    intervalMs: settings.registryInterval,
    install: ({ folder }, { name, version }) =>
      install({ path: folder, name, version, ...pointed, loadedAt: new Date().toISOString() }),
    onStatus,
    on(event) {
      log[LEVEL[event.kind]](event, MESSAGE[event.kind]);
    },
  });
}

const LEVEL = { promoted: "info", refused: "error", failed: "warn" } as const satisfies Record<
  WatchEvent["kind"],
  string
>;
const MESSAGE: Record<WatchEvent["kind"], string> = {
  promoted: "another version serves",
  refused: "a version was refused",
  failed: "the registry gave no model",
};

/** What `settings` and the files in its secrets folder say about the registry. */
export function registrySettings(settings: ServiceSettings): RegistrySettings {
  const secret = (name: keyof typeof SECRETS): string | undefined => {
    const path = join(settings.secretsFolder, SECRETS[name]);
    return existsSync(path) ? readFileSync(path, "utf8").trim() : undefined;
  };
  const { mlflowUrl, s3Url, s3Region, model, modelAlias, modelStage } = settings;
  if (modelAlias !== "" && modelStage !== "")
    throw new SettingsError("Settings modelAlias and modelStage are both given; keep one.");
  const [accessKey, secretKey] = [secret("s3AccessKey"), secret("s3SecretKey")];
  if (s3Url !== "" && (accessKey === undefined || secretKey === undefined))
    throw new SettingsError(
      `Setting s3Url needs the files ${SECRETS.s3AccessKey} and ${SECRETS.s3SecretKey} in ${settings.secretsFolder}.`,
    );
  const ca = secret("ca");
  return {
    mlflowUrl: new URL(mlflowUrl),
    credentials: credentialsOf(secret),
    reference: {
      name: model,
      pointer:
        modelStage === ""
          ? { kind: "alias", alias: modelAlias || "production" }
          : { kind: "stage", stage: modelStage },
    },
    s3:
      s3Url === ""
        ? undefined
        : {
            url: new URL(s3Url),
            region: s3Region,
            accessKey: accessKey ?? "",
            secretKey: secretKey ?? "",
          },
    ...(ca === undefined ? {} : { ca }),
    cacheDirectory: settings.cacheFolder,
    maxModelBytes: settings.maxModel,
  };
}

function credentialsOf(secret: (name: keyof typeof SECRETS) => string | undefined): Credentials {
  const token = secret("mlflowToken");
  if (token !== undefined) return { kind: "bearer", token };
  const [user, password] = [secret("mlflowUser"), secret("mlflowPassword")];
  if (user !== undefined && password !== undefined) return { kind: "basic", user, password };
  return { kind: "none" };
}
