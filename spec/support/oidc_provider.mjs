// oidc_provider — a real OpenID provider (npm: oidc-provider) that specs ask for tokens.
//
//     node oidc_provider.mjs FOLDER_OF_node_modules
//
// Listens on a free port, which it prints. A request for /rotate/RS256 or /rotate/ES256 begins anew
// with other keys, signing with that algorithm. The client "mobile" (secret "mobile-secret") gets
// JWTs for https://api.example, opaque tokens otherwise.

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

function configuration(algorithm) {
  return {
    jwks: { keys: [newKeys("RS256"), newKeys("ES256")] },
    cookies: { keys: ["specs"] },
    scopes: ["read", "write"],
    clients: [{
      client_id: "mobile", client_secret: "mobile-secret",
      grant_types: ["client_credentials"], response_types: [], redirect_uris: [],
    }],
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

server.listen(0, "127.0.0.1", () => {
  begin("RS256");
  console.log(`listening on ${server.address().port}`);
});
