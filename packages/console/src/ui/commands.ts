/** The commands that the console tells people to run, as they stand in the `suture` command. */

/** Makes the machine a device. Root's command: the token carries the control plane's key. */
export const enrolCommand = (server: string, token: string): string =>
  `sudo suture enrol --server ${server} --token ${token}`;

export const IMPORT_COMMAND = "suture release import-debian redis-server";
export const PUBLISH_TIMESTAMP_COMMAND = "suture release publish --timestamp-only";
