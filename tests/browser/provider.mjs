// A certified OpenID Connect provider for the end-to-end test: one client, any login, a page to sign in with.
//
//   PORT=3000 FORETOP_URL=https://localhost:8443 node provider.mjs
//
// Refresh tokens rotate, and one that is used twice ends its grant: what providers do that catch thieves, and what parallel tabs trip over.
// Beside it, below /_test: what it has counted, and the switches that the test turns.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const port = Number(process.env.PORT);
const client = process.env.FORETOP_URL;
const issuer = `http://localhost:${port}`;
const key = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ format: "jwk" });

let groups = ["ops", "web"];
const counted = { codes: 0, refreshes: 0, reused: 0, backchannel: 0, refused: [] };

const provider = new Provider(issuer, {
  clients: [
    {
      client_id: "foretop",
      client_secret: "not-so-secret",
      redirect_uris: [`${client}/api/auth/callback`],
      post_logout_redirect_uris: [`${client}/api/auth/loggedout`],
      backchannel_logout_uri: `${client}/api/auth/backchannel-logout`,
      backchannel_logout_session_required: true,
      grant_types: ["authorization_code", "refresh_token"],
      response_types: ["code"],
    },
    {
      client_id: "robot",
      client_secret: "a-robots-secret",
      grant_types: ["client_credentials"],
      redirect_uris: [],
      response_types: [],
    },
  ],
  jwks: { keys: [{ ...key, kid: "first", use: "sig", alg: "RS256" }] },
  pkce: { required: () => true },
  claims: { openid: ["sub", "groups"], email: ["email", "email_verified"] },
  conformIdTokenClaims: false,
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, email: `${id}@example.org`, email_verified: true, groups }),
  }),
  rotateRefreshToken: true,
  issueRefreshToken: async (_, client, code) => client.grantTypeAllowed("refresh_token") && code.scopes.has("openid"),
  ttl: { AccessToken: 60, IdToken: 60, RefreshToken: 3600, Session: 3600, Grant: 3600, Interaction: 600 },
  features: {
    devInteractions: { enabled: true },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    clientCredentials: { enabled: true },
    // A token for Foretop as a resource is a JWT, which it verifies itself.
    resourceIndicators: {
      enabled: true,
      defaultResource: () => undefined,
      getResourceServerInfo: () => ({ audience: client, accessTokenFormat: "jwt", accessTokenTTL: 300, scope: "" }),
    },
  },
  extraTokenClaims: (_, token) => (token.kind === "ClientCredentials" ? { sub: token.clientId, groups } : {}),
  cookies: { keys: ["a key of the test"] },
  // The provider calls no private address by itself, and here Foretop is at one.
  fetch: (url, { dispatcher: _, ...options }) => fetch(url, options),
});

provider.on("grant.success", (ctx) => {
  if (ctx.oidc.params.grant_type === "refresh_token") counted.refreshes += 1;
  else counted.codes += 1;
});
provider.on("grant.error", (ctx, error) => counted.refused.push(`${ctx.oidc.params?.grant_type}: ${error.error_detail ?? error.message}`));
provider.on("grant.revoked", () => (counted.reused += 1));
provider.on("backchannel.success", () => (counted.backchannel += 1));
provider.on("backchannel.error", (_, error) => counted.refused.push(`backchannel: ${error.message}`));
provider.on("server_error", (_, error) => console.error(error));

const switches = {
  "/_test/counted": () => counted,
  "/_test/groups": (query) => (groups = query.getAll("group")),
};

const answer = provider.callback();
createServer((request, response) => {
  const url = new URL(request.url, issuer);
  const turn = switches[url.pathname];
  if (!turn) return answer(request, response);
  response.setHeader("content-type", "application/json");
  response.end(JSON.stringify(turn(url.searchParams)));
}).listen(port, "localhost", () => console.log(`provider at ${issuer}`));
