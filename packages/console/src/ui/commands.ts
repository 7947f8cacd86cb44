/** The commands that the console tells people to run, as they stand in the `suture` command. */

/**
 * Makes the machine a device. Root's command: the token carries the digest of the control plane's
 * key, and the file is the release channel's first root, which its publisher hands out.
 */
export const enrolCommand = (server: string, token: string): string =>
  [
    `sudo suture agent enroll --server ${server}`,
    `--token ${token}`,
    "--channel-root 1.root.json",
  ].join(" \\\n    ");

/** Makes a product and its first hotpatch of a distribution's security update. */
export const IMPORT_COMMAND =
  "suture release import-debian redis --repository channel --create redis.key.pub";
export const CALENDAR_COMMAND = "suture release add calendar --planned-months 1,4,7,10";
export const STATUS_COMMAND = "sudo suture status";
