//! `tapedeck token`

use std::time::Duration;

use clap::Args;

use super::options::{ConfigArgs, KeyArgs, pair};
use crate::config::duration;

/// Who may join which room, and what to do there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  tapedeck token --room demo --user alice
  tapedeck token --room demo --user bob --valid 7d --business-id class-5
  tapedeck token --room demo --user watcher --no-publish
  tapedeck token --room demo --user alice --key APIexample --secret \"$SECRET\"")]
pub struct TokenArgs {
    /// Room to join
    #[arg(long)]
    pub room: String,
    /// Identity of the participant, the UserId of the OpenAPI
    #[arg(long)]
    pub user: String,
    /// Name to show
    #[arg(long, default_value = "")]
    pub name: String,
    /// How long the token is valid, such as 30m, 6h or 7d
    #[arg(long, value_name = "TIME", default_value = "6h", value_parser = duration)]
    pub valid: Duration,
    /// BusinessId of the user (participant attribute business_id)
    #[arg(long, value_name = "ID")]
    pub business_id: Option<String>,
    /// A participant attribute; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = pair)]
    pub attribute: Vec<(String, String)>,
    /// May not publish
    #[arg(long)]
    pub no_publish: bool,
    /// May not subscribe
    #[arg(long)]
    pub no_subscribe: bool,
    /// Not shown to the others
    #[arg(long)]
    pub hidden: bool,
    #[command(flatten)]
    pub keys: KeyArgs,
    #[command(flatten)]
    pub config: ConfigArgs,
}
