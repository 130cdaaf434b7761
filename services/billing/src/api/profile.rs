//! The caller's billing profile over HTTP.

use std::sync::Arc;

use chassis::{
    Problem,
    http::{answer::Tagged, json::Json, precondition},
};
use identity::Bearer;
use poem_openapi::{Object, OpenApi, param::Header, types::Example};
use serde::{Deserialize, Serialize};

use super::Tag;
use crate::{
    domain::profile::{self, ProfileError},
    state::State,
    store,
};

/// To whom invoices are addressed.
#[derive(Debug, Clone, Serialize, Deserialize, Object)]
#[serde(deny_unknown_fields)]
#[oai(example)]
pub struct BillingProfile {
    /// A person or a company. Empty in answers while it is not known.
    #[oai(validator(min_length = 1, max_length = 200))]
    pub name: String,
    /// Street, postal code and place, in lines.
    #[oai(validator(min_length = 1, max_length = 500))]
    pub address: String,
    /// ISO 3166-1, two capital letters. The tax is that of this country.
    #[oai(validator(min_length = 2, max_length = 2))]
    pub country: String,
    /// A business's; null for a person.
    #[serde(default)]
    pub vat_id: Option<String>,
}

impl Example for BillingProfile {
    fn example() -> Self {
        Self {
            name: "Okafor & Partners".to_owned(),
            address: "12 Long Lane\n10115 Berlin".to_owned(),
            country: "DE".to_owned(),
            vat_id: Some("DE123456789".to_owned()),
        }
    }
}

impl From<profile::Profile> for BillingProfile {
    fn from(profile: profile::Profile) -> Self {
        Self {
            name: profile.name,
            address: profile.address,
            country: profile.country,
            vat_id: Some(profile.vat_id).filter(|vat_id| !vat_id.is_empty()),
        }
    }
}

impl From<ProfileError> for Problem {
    fn from(error: ProfileError) -> Self {
        match error {
            ProfileError::Stale(problem) => problem,
            ProfileError::Closed => Problem::conflict("account-closed", error.to_string()),
            ProfileError::Store(_) => Problem::internal(error),
        }
    }
}

/// Operations on the billing profile.
pub struct ProfileApi {
    /// What they need.
    pub state: Arc<State>,
}

#[OpenApi]
impl ProfileApi {
    /// Show to whom the caller's invoices are addressed.
    #[oai(
        path = "/v1/billing-profile",
        method = "get",
        operation_id = "getBillingProfile",
        tag = "Tag::Invoices"
    )]
    async fn get_billing_profile(&self, Bearer(caller): Bearer) -> Result<Tagged<BillingProfile>, Problem> {
        let (profile, version) = store::profile::find(self.state.db.read(), caller.user)
            .await
            .map_err(ProfileError::from)?;
        Ok(Tagged {
            body: profile.into(),
            version,
        })
    }

    /// Replace to whom the caller's invoices are addressed.
    ///
    /// It holds for invoices from now on; those that are issued never change.
    #[oai(
        path = "/v1/billing-profile",
        method = "put",
        operation_id = "replaceBillingProfile",
        tag = "Tag::Invoices"
    )]
    async fn replace_billing_profile(
        &self,
        Bearer(caller): Bearer,
        /// `ETag` of the profile that was changed.
        #[oai(name = "If-Match")]
        if_match: Header<Option<String>>,
        body: Json<BillingProfile>,
    ) -> Result<Tagged<BillingProfile>, Problem> {
        let expected = precondition::if_match(if_match.0.as_deref())?;
        let given = &body.0;
        let vat_id = given.vat_id.as_deref().unwrap_or_default();
        let profile =
            profile::Profile::parse(&given.name, &given.address, &given.country, vat_id).map_err(Problem::invalid)?;
        let now = self.state.clock.now();
        let version = self
            .state
            .db
            .write(async |tx| {
                if store::account::take(tx, caller.user, now).await?.closed_at.is_some() {
                    return Err(ProfileError::Closed);
                }
                let (_, version) = store::profile::find(tx, caller.user).await?;
                expected.check(version).map_err(ProfileError::Stale)?;
                store::profile::replace(tx, caller.user, &profile, version + 1).await?;
                Ok::<_, ProfileError>(version + 1)
            })
            .await?;
        Ok(Tagged {
            body: profile.into(),
            version,
        })
    }
}
