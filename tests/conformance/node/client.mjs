// Drives the paper gateway with the JavaScript client that the venue's documentation names, and prints
// what it saw as one JSON object. Usage: node client.mjs <settings as JSON>
import { HttpTransportType, HubConnectionBuilder, LogLevel } from "@microsoft/signalr";

const { url, control, controlToken, userName, apiKey, accountId, contractId } = JSON.parse(process.argv[2]);
const WAIT_MS = 15_000;
const seen = {};

async function post(path, body, token) {
  const answer = await fetch(url + path, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: expected HTTP 200, got ${answer.status}`);
  return answer.json();
}

async function until(what, holds) {
  const deadline = Date.now() + WAIT_MS;
  while (!holds()) {
    if (Date.now() > deadline) throw new Error(`${what}: nothing within ${WAIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function connect(hub, token, options) {
  return new HubConnectionBuilder()
    .withUrl(`${url}/hubs/${hub}`, { accessTokenFactory: () => token, ...options })
    .withAutomaticReconnect([0, 100, 500, 1000])
    .configureLogging(LogLevel.None)
    .build();
}

function recorded(connection, target) {
  const events = [];
  connection.on(target, (...args) => events.push(args));
  return events;
}

const skip = { skipNegotiation: true, transport: HttpTransportType.WebSockets };
const { token, success } = await post("/api/Auth/loginKey", { userName, apiKey });
seen.login = { success, token: typeof token };
const accounts = await post("/api/Account/search", { onlyActiveAccounts: true }, token);
seen.accounts = accounts.accounts.map((account) => account.id);

const user = connect("user", token, {});
const snapshot = recorded(user, "GatewayUserAccount");
const orders = recorded(user, "GatewayUserOrder");
const trades = recorded(user, "GatewayUserTrade");
const positions = recorded(user, "GatewayUserPosition");
await user.start();
seen.negotiated = { state: user.state, id: typeof user.connectionId };
await user.invoke("SubscribeAccounts");
for (const kind of ["Orders", "Positions", "Trades"]) await user.invoke(`Subscribe${kind}`, accountId);
await until("account snapshot", () => snapshot.length >= accounts.accounts.length);
seen.snapshot = snapshot.map(([event]) => [event.action, event.data.id]);
seen.unknownMethod = await user.invoke("SubscribeEverything").then(() => "accepted", (error) => error.message);

const market = connect("market", token, skip);
const quotes = recorded(market, "GatewayQuote");
const prints = recorded(market, "GatewayTrade");
const depth = recorded(market, "GatewayDepth");
let reconnected = 0;
let reason = "";
market.onreconnecting((error) => (reason = error?.message ?? ""));
market.onreconnected(() => (reconnected += 1));
const subscribe = async () => {
  await market.invoke("SubscribeContractQuotes", contractId);
  await market.invoke("SubscribeContractTrades", contractId);
  await market.invoke("SubscribeContractMarketDepth", contractId);
};
await market.start();
await subscribe();
await until("market data", () => quotes.length > 20 && prints.length > 5 && depth.length > 5);
seen.firstQuote = Object.keys(quotes[0][1]).sort();
seen.quoteContracts = [...new Set(quotes.map(([contract]) => contract))];
seen.firstDepth = depth[0][1].slice(0, 3).map((level) => level.type);
seen.printFields = Object.keys(prints[0][1][0]).sort();

const placed = await post(
  "/api/Order/place",
  {
    accountId, contractId, type: 2, side: 0, size: 1, customTag: "conformance-node",
    stopLossBracket: { ticks: -80, type: 4 }, takeProfitBracket: { ticks: 120, type: 1 },
  },
  token,
);
const mine = () => orders.map(([event]) => event.data).filter((order) => order.customTag?.startsWith("conformance-node"));
await until("bracket", () => mine().filter((order) => order.status === 1).length >= 2);
await until("position", () => positions.length >= 1 && trades.length >= 1);
seen.placed = { success: placed.success, orderId: typeof placed.orderId };
seen.entry = mine().filter((order) => order.id === placed.orderId).map((order) => order.status);
seen.children = mine()
  .filter((order) => order.status === 1)
  .map((order) => [order.customTag, order.type, order.parentOrderId === placed.orderId])
  .sort();
seen.trade = { action: trades[0][0].action, orderId: trades[0][0].data.orderId === placed.orderId, side: trades[0][0].data.side };
seen.position = { action: positions[0][0].action, type: positions[0][0].data.type, size: positions[0][0].data.size };

await post("/api/Position/closeContract", { accountId, contractId }, token);
await until("flat", () => positions.some(([event]) => event.action === 2 && event.data.size === 0));
for (const child of mine().filter((order) => order.status === 1)) {
  await post("/api/Order/cancel", { accountId, orderId: child.id }, token);
}
await until("cancelled children", () => mine().filter((order) => order.status === 3).length === 2);
seen.left = (await post("/api/Order/searchOpen", { accountId }, token)).orders.length;

const fault = await fetch(`${control}/paper/faults`, {
  method: "POST",
  headers: { Authorization: `Bearer ${controlToken}`, "Content-Type": "application/json" },
  body: JSON.stringify({ fault: "hub.drop", hub: "market", how: "close" }),
});
seen.fault = fault.ok;
await until("reconnect", () => reconnected === 1);
const before = quotes.length;
await subscribe();
await until("quotes after the reconnect", () => quotes.length > before + 5);
seen.reconnect = { reason, reconnected };

await Promise.all([user.stop(), market.stop()]);
console.log(JSON.stringify(seen));
