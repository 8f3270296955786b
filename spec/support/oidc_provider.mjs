// oidc_provider — a real OpenID provider (npm: oidc-provider) that specs ask for tokens.
//
//     node oidc_provider.mjs FOLDER_OF_node_modules [PORT]
//
// Listens on that port or a free one, which it prints. A request for /rotate/RS256 or /rotate/ES256 begins anew
// with other keys, signing with that algorithm. The client "mobile" (secret "mobile-secret") gets
// JWTs for https://api.example, opaque tokens otherwise; "gateway" and "gateway-post" ask about
// them, and have a secret that forms have to escape.

import { generateKeyPairSync, randomBytes } from "node:crypto";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const require = createRequire(`${process.argv[2]}/`);
const { default: Provider } = await import(pathToFileURL(require.resolve("oidc-provider")));

const AUDIENCE = "https://api.example";

function newKeys(algorithm) {
  const pair = algorithm === "RS256"
    ? generateKeyPairSync("rsa", { modulusLength: 2048 })
    : generateKeyPairSync("ec", { namedCurve: "P-256" });
  const kid = randomBytes(8).toString("hex");
  return { ...pair.privateKey.export({ format: "jwk" }), alg: algorithm, use: "sig", kid };
}

function client(id, secret, more) {
  return {
    client_id: id, client_secret: secret, grant_types: ["client_credentials"], response_types: [],
    redirect_uris: [], ...more,
  };
}

function configuration(algorithm) {
  return {
    jwks: { keys: [newKeys("RS256"), newKeys("ES256")] },
    cookies: { keys: ["specs"] },
    scopes: ["read", "write"],
    clients: [
      client("mobile", "mobile-secret"),
      client("gateway", "g:a/t e+w&a=y%"),
      client("gateway-post", "g:a/t e+w&a=y%", { token_endpoint_auth_method: "client_secret_post" }),
    ],
    extraTokenClaims: (context, token) => ({ client: token.clientId, tenant: "core" }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      introspection: { enabled: true },
      revocation: { enabled: true },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: () => ({
          scope: "read write", audience: AUDIENCE, accessTokenTTL: 3600, accessTokenFormat: "jwt",
          jwt: { sign: { alg: algorithm } },
        }),
      },
    },
  };
}

let handle;
const server = createServer((request, response) => {
  const [, algorithm] = request.url.match(/^\/rotate\/(RS256|ES256)$/) ?? [];
  if (algorithm) {
    begin(algorithm);
    response.end();
    return;
  }
  handle(request, response);
});

function begin(algorithm) {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  handle = new Provider(issuer, configuration(algorithm)).callback();
}

server.listen(Number(process.argv[3] ?? 0), "127.0.0.1", () => {
  begin("RS256");
  console.log(`listening on ${server.address().port}`);
});
