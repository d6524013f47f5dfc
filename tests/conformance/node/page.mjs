// The npm package's browser build in a page of another origin than the gateway's; what happens is posted home.
import { follow, login, trade } from "/follow.mjs";

const home = (path, body) => fetch(path, { method: "POST", body: JSON.stringify(body) });
const tell = (hub, event) => home("/told", { hub, event });
window.addEventListener("unhandledrejection", ({ reason }) => home("/told", { hub: "page", event: String(reason) }));

const settings = await (await fetch("/settings")).json();
const token = await login(settings);
const links = await Promise.all(
  ["user", "market"].map((hub) => follow(signalR, settings, token, hub, tell)),
);
await trade(settings, token);
await tell("rest", "traded");
await (await fetch("/go-on")).text();
await Promise.all(links.map((link) => link.stop()));
const [user, market] = links.map((link) => link.rows);
await home("/end", { user, market, origin: location.origin });
