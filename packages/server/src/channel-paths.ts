/** Where this server serves the release channel. Devices put it behind the server's address. */
export const CHANNEL_PATH = "/channel/";
