//! The claims that a request's token gives it.

use crate::active::Active;
use crate::head::Head;
use crate::host;
use crate::isolate::Isolate;
use crate::jwt::Claims;

impl Isolate {
    /// The claims of the request's token, if the plan has any use for them.
    pub(crate) async fn claims(&self, active: &Active, head: &Head, now: u64) -> Claims {
        let settings = self.settings.jwt.as_ref().filter(|_| active.needs_claims);
        let token = settings.and_then(|settings| Some((settings, settings.token(head)?)));
        let Some((settings, token)) = token else { return Claims::default() };
        let payload = match host::verified(token, &settings.keys, now).await {
            Ok(payload) => payload,
            Err(thrown) => {
                host::log(
                    "warn",
                    &format!("serin: no key to verify tokens: {}", host::why(&thrown)),
                );
                None
            }
        };
        let claims = payload.and_then(|payload| settings.claims(&payload, now));
        let counter = match claims {
            Some(_) => &self.counters.tokens_verified,
            None => &self.counters.tokens_refused,
        };
        counter.increment();
        claims.unwrap_or_default()
    }
}
