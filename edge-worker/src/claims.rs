//! The claims of a request's token, verified with the host.

use crate::active_plan::ActivePlan;
use crate::host;
use crate::isolate::Isolate;
use crate::jwt::Claims;
use crate::request_head::RequestHead;

impl Isolate {
    /// The claims of the request's token. There are none if the plan needs none or the token is not valid.
    pub(crate) async fn claims(&self, active: &ActivePlan, head: &RequestHead, now: u64) -> Claims {
        let settings = self.settings.jwt.as_ref().filter(|_| active.needs_claims);
        let token = settings.and_then(|settings| Some((settings, settings.token(head)?)));
        let Some((settings, token)) = token else { return Claims::default() };
        let payload = match host::verified_payload(token, &settings.keys, now).await {
            Ok(payload) => payload,
            Err(thrown) => {
                host::log(
                    "warn",
                    &format!("serin: no key to verify tokens: {}", host::thrown_message(&thrown)),
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
