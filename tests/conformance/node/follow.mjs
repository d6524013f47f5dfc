// One hub with every subscription, followed through reconnects; runs in Node and in a page alike.
const METHODS = {
  user: (settings) => [
    ["SubscribeAccounts"],
    ...["Orders", "Positions", "Trades"].map((kind) => [`Subscribe${kind}`, settings.accountId]),
  ],
  market: (settings) =>
    ["Quotes", "Trades", "MarketDepth"].map((kind) => [`SubscribeContract${kind}`, settings.contractId]),
};
const EVENTS = {
  user: ["GatewayUserAccount", "GatewayUserOrder", "GatewayUserPosition", "GatewayUserTrade"],
  market: ["GatewayQuote", "GatewayTrade", "GatewayDepth"],
};
const RETRIES_MS = [0, 200, 500, 1000, 2000, 5000];

// `settings`: url, accountId, contractId, and how to connect: skip, tokenIn (header or query), stateful,
// subscribe. `tell(hub, event)` hears of connected, subscribed, reconnecting, reconnected, closed, and of data once per link.
export async function follow(signalR, settings, token, hub, tell) {
  const address = new URL(`${settings.url}/hubs/${hub}`);
  if (settings.tokenIn === "query") address.searchParams.set("access_token", token);
  const builder = new signalR.HubConnectionBuilder()
    .withUrl(address.href, {
      ...(settings.tokenIn !== "query" && { accessTokenFactory: () => token }),
      ...(settings.skip && { skipNegotiation: true, transport: signalR.HttpTransportType.WebSockets }),
    })
    .withAutomaticReconnect(RETRIES_MS)
    .configureLogging(signalR.LogLevel.None);
  if (settings.stateful) builder.withStatefulReconnect();
  const connection = builder.build();
  const rows = {};
  let silent = true;
  for (const target of EVENTS[hub]) {
    connection.on(target, () => {
      rows[target] = (rows[target] ?? 0) + 1;
      if (silent) tell(hub, "data");
      silent = false;
    });
  }
  const subscribe = async () => {
    if (settings.subscribe === false) return;
    for (const [method, ...args] of METHODS[hub](settings)) await connection.invoke(method, ...args);
    tell(hub, "subscribed");
  };
  connection.onreconnecting(() => tell(hub, "reconnecting"));
  connection.onreconnected(async () => {
    silent = true;
    tell(hub, "reconnected");
    await subscribe();
  });
  connection.onclose(() => tell(hub, "closed"));
  await connection.start();
  tell(hub, "connected");
  await subscribe();
  return { rows, stop: () => connection.stop() };
}

export async function post(settings, path, body, token) {
  const answer = await fetch(`${settings.url}/api/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
    body: JSON.stringify(body),
  });
  if (!answer.ok) throw new Error(`${path}: expected HTTP 200, got ${answer.status}`);
  return answer.json();
}

export async function login({ url, userName, apiKey }) {
  return (await post({ url }, "Auth/loginKey", { userName, apiKey })).token;
}

// Opens a position, waits until it is there, and closes it.
export async function trade(settings, token) {
  const { accountId, contractId } = settings;
  await post(settings, "Order/place", { accountId, contractId, type: 2, side: 0, size: 1 }, token);
  while ((await post(settings, "Position/searchOpen", { accountId }, token)).positions.length === 0);
  await post(settings, "Position/closeContract", { accountId, contractId }, token);
}
