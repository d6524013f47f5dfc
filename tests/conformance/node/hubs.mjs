// Follows both hubs with the npm package until standard input ends, telling what happens as JSON lines.
// Usage: node hubs.mjs <settings as JSON>. Commands: trade, stop.
import * as signalR from "@microsoft/signalr";
import { createInterface } from "node:readline";
import { follow, login, trade } from "./follow.mjs";

const settings = JSON.parse(process.argv[2]);
const tell = (hub, event) => console.log(JSON.stringify({ hub, event }));
const token = await login(settings);
const [user, market] = await Promise.all(
  ["user", "market"].map((hub) => follow(signalR, settings, token, hub, tell)),
);
const stop = () => Promise.all([user.stop(), market.stop()]);
for await (const command of createInterface({ input: process.stdin })) {
  if (command === "trade") {
    await trade(settings, token);
    tell("rest", "traded");
  } else if (command === "stop") {
    await stop();
  } else {
    throw new Error(`unknown command ${command}`);
  }
}
await stop();
console.log(JSON.stringify({ user: user.rows, market: market.rows }));
