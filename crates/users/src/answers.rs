//! What other servers get to know of our users. S2S API, "Querying for information", "Device Management" and "End-to-End
//! Encryption".

use std::collections::BTreeMap;

use events::json::{Object, Value};
use events::{ServerName, UserId};
use serde_json::json;
use transport::ApiError;
use transport::questions::{Answer, UserQuestions};

use crate::Users;
use crate::keys::Asker;

impl UserQuestions for Users {
    fn profile<'a>(&'a self, _origin: &'a ServerName, user_id: &'a UserId, field: Option<String>) -> Answer<'a> {
        Box::pin(async move {
            self.must_be_local(user_id)?;
            let profile = self.local_profile(user_id).await?;
            let mut profile = profile.ok_or_else(|| ApiError::not_found(format!("there is no user {user_id}")))?;
            if let Some(field) = field {
                // A field that is not set is no error here, unlike in the client API: so does Synapse.
                profile.retain(|name, _| *name == field);
            }
            Ok(Value::Object(profile))
        })
    }

    fn devices<'a>(&'a self, _origin: &'a ServerName, user_id: &'a UserId) -> Answer<'a> {
        Box::pin(async move {
            self.must_be_local(user_id)?;
            if self.account(user_id).await?.is_none() {
                return Err(ApiError::not_found(format!("there is no user {user_id}")));
            }
            Ok(Value::Object(self.device_list(user_id).await?))
        })
    }

    fn query_keys<'a>(&'a self, origin: &'a ServerName, body: Object) -> Answer<'a> {
        Box::pin(async move {
            let wanted: BTreeMap<UserId, Vec<String>> = field(&body, "device_keys")?;
            if let Some(user) = wanted.keys().find(|user| !self.is_local(user)) {
                self.must_be_local(user)?;
            }
            Ok(Value::Object(Users::query_keys(self, wanted, Asker::Server(origin.clone())).await?))
        })
    }

    fn claim_keys<'a>(&'a self, _origin: &'a ServerName, body: Object) -> Answer<'a> {
        Box::pin(async move {
            let claims: BTreeMap<UserId, BTreeMap<String, String>> = field(&body, "one_time_keys")?;
            Ok(json!({ "one_time_keys": Users::claim_keys(self, claims).await? }))
        })
    }
}

impl Users {
    fn must_be_local(&self, user: &UserId) -> Result<(), ApiError> {
        if self.is_local(user) {
            Ok(())
        } else {
            Err(ApiError::invalid_param(format!("{user} is no user of {}", self.server_name())))
        }
    }
}

fn field<T: serde::de::DeserializeOwned>(body: &Object, name: &str) -> Result<T, ApiError> {
    let value = body.get(name).ok_or_else(|| ApiError::bad_json(format!("`{name}` is missing")))?;
    serde_json::from_value(value.clone()).map_err(|error| ApiError::bad_json(format!("`{name}`: {error}")))
}

#[cfg(test)]
mod tests;
