//! The provider: what it says of itself, and what it is asked.
//!
//! Its metadata and keys are read in the background, again and again until they are there, and then every hour, or when a token is signed with a key that is not
//! known. A server starts without its provider; only signing in waits for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreClientAuthMethod, CoreErrorResponseType, CoreGenderClaim,
    CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreRevocableToken,
    CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AccessToken, AuthType, AuthorizationCode, ClaimsVerificationError, Client, ClientId, ClientSecret,
    EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenClaims, IdTokenFields,
    IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeVerifier, ProviderMetadataWithLogout, RedirectUrl,
    RefreshToken, RequestTokenError, SignatureVerificationError, StandardErrorResponse,
    StandardTokenResponse, SubjectIdentifier, TokenResponse, UserInfoClaims,
};
use tokio::sync::Mutex;

use super::super::provider_http::{CallError, ProviderHttp};
use super::claims::Claims;

/// The client of the `OpenID` Connect library, with claims of ours.
pub(super) type OidcClient = Client<
    Claims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// What the token endpoint gives.
type Tokens = StandardTokenResponse<
    IdTokenFields<
        Claims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;

/// Tokens are signed with private keys that nobody but the provider has; never with a secret, and never not at all.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// How far the provider's clock may be from ours.
const SKEW: Duration = Duration::from_mins(1);

/// How often what the provider says of itself is read again.
const EVERY: Duration = Duration::from_hours(1);

/// The longest pause between tries to read it.
const PAUSE: Duration = Duration::from_secs(30);

/// How long a key that is not known leads to no further look.
const LOOKED: Duration = Duration::from_secs(10);

/// What the provider says of itself.
pub(super) struct Known {
    pub(super) client: OidcClient,
    pub(super) metadata: ProviderMetadataWithLogout,
    read: Instant,
}

/// The provider.
pub(super) struct Provider {
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    redirect: RedirectUrl,
    http: Arc<ProviderHttp>,
    known: ArcSwapOption<Known>,
    looking: Mutex<()>,
}

impl std::fmt::Debug for Provider {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Provider({})", self.issuer.as_str())
    }
}

/// Why the provider gave nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum ProviderError {
    /// It does not answer, or nothing that could be understood.
    #[error("{0}")]
    Away(String),
    /// It says that there is no such grant (any more).
    #[error("the provider refuses the grant: {0}")]
    InvalidGrant(String),
    /// What it gave is not what it should be.
    #[error("the provider's answer is not good: {0}")]
    Wrong(String),
}

/// A user, as the provider's tokens say.
pub(super) struct Answer {
    pub(super) subject: String,
    pub(super) email: String,
    /// The ID token's claims; `None` where a refresh came without one.
    pub(super) claims: Option<Claims>,
    pub(super) refresh_token: Option<String>,
    access_token: AccessToken,
}

impl Provider {
    pub(super) fn new(
        issuer: IssuerUrl,
        client_id: &str,
        client_secret: Option<String>,
        redirect: RedirectUrl,
        http: ProviderHttp,
    ) -> Self {
        Provider {
            issuer,
            client_id: ClientId::new(client_id.to_owned()),
            client_secret: client_secret.map(ClientSecret::new),
            redirect,
            http: Arc::new(http),
            known: ArcSwapOption::empty(),
            looking: Mutex::new(()),
        }
    }

    /// What it says of itself, if that is known by now.
    pub(super) fn known(&self) -> Option<Arc<Known>> {
        self.known.load_full()
    }

    pub(super) fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    pub(super) fn issuer(&self) -> &IssuerUrl {
        &self.issuer
    }

    /// Reads what the provider says of itself, for as long as this server runs.
    pub(super) async fn follow(self: Arc<Self>) {
        let mut pause = Duration::from_millis(500);
        loop {
            match self.discover().await {
                Ok(()) => {
                    pause = Duration::from_millis(500);
                    tokio::time::sleep(EVERY).await;
                }
                Err(error) => {
                    tracing::warn!(issuer = self.issuer.as_str(), %error, "provider.unavailable");
                    tokio::time::sleep(pause.mul_f64(0.75 + fastrand::f64() / 2.0)).await;
                    pause = (pause * 2).min(PAUSE);
                }
            }
        }
    }

    async fn discover(&self) -> Result<(), ProviderError> {
        let _looking = self.looking.lock().await;
        let http = self.caller();
        let metadata = ProviderMetadataWithLogout::discover_async(self.issuer.clone(), &http)
            .await
            .map_err(|error| ProviderError::Away(told(&error)))?;
        let mut client = Client::from_provider_metadata(
            metadata.clone(),
            self.client_id.clone(),
            self.client_secret.clone(),
        )
        .set_redirect_uri(self.redirect.clone());
        if posts_its_secret(&metadata) {
            client = client.set_auth_type(AuthType::RequestBody);
        }
        if self.known.swap(Some(Arc::new(Known { client, metadata, read: Instant::now() }))).is_none() {
            tracing::info!(issuer = self.issuer.as_str(), "provider.ready");
        }
        Ok(())
    }

    /// Reads its keys again, unless they were read a moment ago.
    pub(super) async fn look_again(&self) -> bool {
        if self.known().is_some_and(|known| known.read.elapsed() < LOOKED) {
            return false;
        }
        self.discover().await.is_ok()
    }

    /// Exchanges a code for tokens, and verifies them.
    pub(super) async fn exchange(
        &self,
        code: String,
        verifier: String,
        nonce: &Nonce,
    ) -> Result<Answer, ProviderError> {
        let known = self.known().ok_or_else(away)?;
        let request = known
            .client
            .exchange_code(AuthorizationCode::new(code))
            .map_err(|error| ProviderError::Away(error.to_string()))?
            .set_pkce_verifier(PkceCodeVerifier::new(verifier));
        let tokens = request.request_async(&self.caller()).await.map_err(|error| refused(&error))?;
        let right = nonce.secret().clone();
        let is_right = move |given: Option<&Nonce>| match given {
            Some(given) if *given.secret() == right => Ok(()),
            _ => Err("the nonce is not this sign-in's".to_owned()),
        };
        match self.answer(&tokens, is_right).await? {
            answer if answer.claims.is_some() => Ok(answer),
            _ => Err(ProviderError::Wrong("there is no ID token in it".into())),
        }
    }

    /// Exchanges a refresh token of this subject for new tokens, and verifies them.
    pub(super) async fn refresh(&self, token: &str, subject: &str) -> Result<Answer, ProviderError> {
        let known = self.known().ok_or_else(away)?;
        let token = RefreshToken::new(token.to_owned());
        let request = known
            .client
            .exchange_refresh_token(&token)
            .map_err(|error| ProviderError::Away(error.to_string()))?;
        let tokens = request.request_async(&self.caller()).await.map_err(|error| refused(&error))?;
        // OpenID Connect Core 1.0, 12.2: the token may name the nonce of the sign-in, which nobody has kept.
        let mut answer = self.answer(&tokens, |_: Option<&Nonce>| Ok(())).await?;
        if answer.claims.is_none() {
            subject.clone_into(&mut answer.subject);
        }
        if answer.subject != subject {
            return Err(ProviderError::InvalidGrant("it names another user".into()));
        }
        Ok(answer)
    }

    /// What the userinfo endpoint says of the user of these tokens. `None`: there is no such endpoint.
    pub(super) async fn user_info(
        &self,
        of: &Answer,
    ) -> Result<Option<(Claims, Option<String>)>, ProviderError> {
        let known = self.known().ok_or_else(away)?;
        let subject = SubjectIdentifier::new(of.subject.clone());
        let Ok(request) = known.client.user_info(of.access_token.clone(), Some(subject)) else {
            return Ok(None);
        };
        let claims: UserInfoClaims<Claims, CoreGenderClaim> =
            request.request_async(&self.caller()).await.map_err(|error| ProviderError::Away(told(&error)))?;
        let email = claims.standard_claims().email().map(|email| email.as_str().to_owned());
        Ok(Some((claims.additional_claims().clone(), email)))
    }

    async fn answer(
        &self,
        tokens: &Tokens,
        nonce: impl Fn(Option<&Nonce>) -> Result<(), String> + Clone,
    ) -> Result<Answer, ProviderError> {
        let mut answer = Answer {
            subject: String::new(),
            email: String::new(),
            claims: None,
            refresh_token: tokens.refresh_token().map(|token| token.secret().clone()),
            access_token: tokens.access_token().clone(),
        };
        if tokens.id_token().is_some() {
            let claims = self.verified(tokens, nonce).await?;
            answer.subject = claims.subject().to_string();
            answer.email = claims.email().map(|email| email.to_string()).unwrap_or_default();
            answer.claims = Some(claims.additional_claims().clone());
        }
        Ok(answer)
    }

    /// The claims of an ID token, once its signature, issuer, audience, time and nonce are right. A key that is not known is looked for once.
    async fn verified(
        &self,
        tokens: &Tokens,
        nonce: impl Fn(Option<&Nonce>) -> Result<(), String> + Clone,
    ) -> Result<IdTokenClaims<Claims, CoreGenderClaim>, ProviderError> {
        let token = tokens.id_token().ok_or_else(away)?;
        let claims = |known: &Known| {
            let verifier = known
                .client
                .id_token_verifier()
                .set_allowed_algs(ALGORITHMS)
                .set_time_fn(|| chrono::Utc::now() - SKEW)
                .set_issue_time_verifier_fn(|issued| {
                    let early = issued > chrono::Utc::now() + SKEW;
                    if early { Err("it is issued in the future".to_owned()) } else { Ok(()) }
                });
            token.claims(&verifier, nonce.clone()).cloned()
        };
        let mut verified = claims(&*self.known().ok_or_else(away)?);
        let unknown_key = matches!(
            &verified,
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey))
        );
        if unknown_key && self.look_again().await {
            verified = claims(&*self.known().ok_or_else(away)?);
        }
        verified.map_err(|error| ProviderError::Wrong(told(&error)))
    }

    /// Calls the provider for the library.
    fn caller(
        &self,
    ) -> impl Fn(
        openidconnect::HttpRequest,
    ) -> std::pin::Pin<
        Box<dyn Future<Output = Result<openidconnect::HttpResponse, CallError>> + Send>,
    > + Send
    + Sync
    + 'static {
        let http = self.http.clone();
        move |request| Box::pin(http.clone().call(request))
    }
}

fn away() -> ProviderError {
    ProviderError::Away("its metadata is not known yet".into())
}

/// Whether the provider takes the client's secret in the body only.
fn posts_its_secret(metadata: &ProviderMetadataWithLogout) -> bool {
    metadata.token_endpoint_auth_methods_supported().is_some_and(|methods| {
        methods.contains(&CoreClientAuthMethod::ClientSecretPost)
            && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
    })
}

fn refused<E: std::error::Error + 'static>(
    error: &RequestTokenError<E, StandardErrorResponse<CoreErrorResponseType>>,
) -> ProviderError {
    match error {
        RequestTokenError::ServerResponse(response)
            if *response.error() == CoreErrorResponseType::InvalidGrant =>
        {
            ProviderError::InvalidGrant("invalid_grant".into())
        }
        // What it says beside its code may hold anything.
        RequestTokenError::ServerResponse(response) => {
            ProviderError::Away(format!("it says `{}`", printable(response.error().as_ref())))
        }
        RequestTokenError::Parse(..) => ProviderError::Wrong("it is not understood".into()),
        other => ProviderError::Away(told(other)),
    }
}

/// An error with what caused it, in one line.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    printable(&text)
}

/// The first of a foreign text, without what would break a line.
pub(super) fn printable(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(300).collect()
}
