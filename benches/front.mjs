// Upstash's REST dialect before a Redis, with nothing but what the bench needs. A process of its own, so that its work is not counted as a Worker's.
import http from "node:http";
import { createClient } from "redis";

const { REDIS_URL, TOKEN } = process.env;
const client = createClient({ url: REDIS_URL });
await client.connect();

const server = http.createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (chunk) => {
    body += chunk;
  });
  request.on("end", async () => {
    if (request.headers.authorization !== `Bearer ${TOKEN}`) {
      response.writeHead(401).end('{"error":"WRONGPASS"}');
      return;
    }
    const isEncoded = request.headers["upstash-encoding"] === "base64";
    const encode = (value) => {
      if (Array.isArray(value)) return value.map(encode);
      return typeof value === "string" ? Buffer.from(value).toString("base64") : value;
    };
    const run = async (command) => {
      const result = await client.sendCommand(command.map(String));
      return { result: isEncoded && result !== "OK" ? encode(result) : result };
    };
    const inUrl = () => request.url.slice(1).split("/").map(decodeURIComponent);
    const parsed = request.method === "GET" ? inUrl() : JSON.parse(body);
    const answer = request.url === "/pipeline" ? Promise.all(parsed.map(run)) : run(parsed);
    const reply = JSON.stringify(await answer);
    response.writeHead(200, {
      "content-type": "application/json",
      "content-length": Buffer.byteLength(reply),
    });
    response.end(reply);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, "127.0.0.1", () => process.send({ port: server.address().port }));
