//! Arguments. Their comments are the English help; its Chinese stands in `text/help_zh.json`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use store::Place;

/// Drives regulated deadlines to a verified close-out.
#[derive(Parser)]
#[command(
    name = "bihuan",
    version,
    disable_help_subcommand = true,
    after_help = "Examples:
  bihuan ledger
  bihuan show YB-2026-000001
  bihuan next YB-2026-000001 --as clerk-lin
  bihuan explain YB-2026-000001

Exit codes, the same in every version:
  0  done
  1  failure: the database, the disk
  2  wrong usage: an argument, a file, a name nobody knows
  3  refused: the loop does not allow it; nothing was changed
  4  findings: a workflow file is not sound
  5  verification failed: what is stored does not hold

Colour follows NO_COLOR and CLICOLOR_FORCE; a terminal is as wide as COLUMNS says"
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args)]
pub(crate) struct Common {
    /// The store: a file, or postgres://… ; bihuan.db or DATABASE_URL unless given
    #[arg(long, global = true, env = "BIHUAN_STORE", hide_env_values = true, value_name = "STORE")]
    pub(crate) store: Option<PathBuf>,
    /// The jurisdiction; needed only where the store holds several
    #[arg(long, global = true, env = "BIHUAN_TENANT", hide_env_values = true)]
    pub(crate) tenant: Option<String>,
    /// Language of the output; from the locale unless given
    #[arg(long, global = true)]
    pub(crate) lang: Option<Lang>,
    /// Print JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Common {
    /// Where the store is: as named, else a server the environment names, else a file in this folder.
    pub(crate) fn place(&self) -> Place {
        let server = || {
            let url = std::env::var_os("DATABASE_URL").map(PathBuf::from)?;
            Some(Place::of(&url)).filter(|place| matches!(place, Place::Server(_)))
        };
        let named = self.store.as_deref().map(Place::of);
        named.or_else(server).unwrap_or_else(|| Place::File(PathBuf::from("bihuan.db")))
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Lang {
    Zh,
    En,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// An invented county, ninety simulated days: see the loop run
    #[command(after_help = "Examples:\n  bihuan demo\n  bihuan demo --folder county --lang zh")]
    Demo {
        /// Keep the store in this folder
        #[arg(long)]
        folder: Option<PathBuf>,
    },
    /// Make a store
    #[command(
        after_help = "Examples:\n  bihuan init --organisation organisation.yaml --store new.db\n  bihuan init --organisation organisation.yaml --store try.db --simulated 2026-09-01"
    )]
    Init {
        /// Units, posts and the sector table (YAML)
        #[arg(long)]
        organisation: PathBuf,
        /// A calendar of another place (YAML), besides those that come with the program
        #[arg(long = "calendar", value_name = "FILE")]
        calendars: Vec<PathBuf>,
        /// A store with simulated time, beginning on this day (08:00 local)
        #[arg(long, value_name = "DAY")]
        simulated: Option<String>,
    },
    /// Prove that workflow files cannot go wrong, or print the shortest way they can
    #[command(after_help = "Example:\n  bihuan check workflows/*.yaml")]
    Check {
        /// The files
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// One invented case through a workflow file, in simulated time
    #[command(after_help = "Example:\n  bihuan try workflows/general-hazard.yaml")]
    Try {
        /// The file
        file: PathBuf,
    },
    /// The tracks of a workflow file as Mermaid state diagrams
    #[command(after_help = "Example:\n  bihuan diagram workflows/general-hazard.yaml")]
    Diagram {
        /// The file
        file: PathBuf,
    },
    /// Check a workflow file and let new cases run under it
    #[command(after_help = "Example:\n  bihuan publish workflows/general-hazard.yaml --set reinspect_days=7")]
    Publish {
        /// The file
        file: PathBuf,
        /// A parameter: name=number
        #[arg(long = "set", value_name = "NAME=NUMBER")]
        parameters: Vec<String>,
    },
    /// Open a case
    #[command(
        after_help = "Examples:\n  bihuan open general-hazard --as clerk-lin --field place=一号仓库 \\\n    --field description=消防通道堵塞 --field sector=industry --field source=self_check \\\n    --field responsible=e-paper --field due_on=2026-12-18\n  bihuan open general-hazard --as clerk-lin --file hazard.json"
    )]
    Open {
        /// The workflow
        workflow: String,
        #[command(flatten)]
        act: ActArguments,
        /// The opening act, where the workflow has several
        #[arg(long)]
        by: Option<String>,
    },
    /// Do an act on a case
    #[command(
        after_help = "Examples:\n  bihuan act YB-2026-000001 report_complete --as safety-he \\\n    --evidence after_photo=photo.jpg --dry-run\n  bihuan act YB-2026-000001 --as clerk-lin --file annul.json"
    )]
    Act {
        /// Its number
        case: String,
        /// The act; may be left out with --file
        #[arg(required_unless_present = "file")]
        act_name: Option<String>,
        #[command(flatten)]
        act: ActArguments,
        /// The version you saw
        #[arg(long)]
        expect: Option<u32>,
        /// Say what would happen, write nothing
        #[arg(long)]
        dry_run: bool,
    },
    /// One document over several cases: all of them, or none
    #[command(
        after_help = "Example:\n  bihuan order dispatch --as clerk-lin --issue order_no \\\n    --case YH-2026-000003,due_date=2026-12-18 --case YH-2026-000004,due_date=2026-12-31"
    )]
    Order {
        /// The act; may be left out with --file
        #[arg(required_unless_present = "file")]
        act_name: Option<String>,
        /// A case, and fields of its own: number,name=value
        #[arg(long = "case", value_name = "NUMBER[,NAME=VALUE]", required = true)]
        cases: Vec<String>,
        #[command(flatten)]
        act: ActArguments,
    },
    /// What a person may do with a case now
    #[command(
        after_help = "Examples:\n  bihuan next YB-2026-000001 --as safety-he\n  bihuan next YB-2026-000001 --as clerk-lin/office-clerk --json"
    )]
    Next {
        /// Its number
        case: String,
        /// Who: person/post
        #[arg(long = "as", value_name = "PERSON/POST")]
        actor: String,
    },
    /// A case and its timeline
    #[command(after_help = "Examples:\n  bihuan show YB-2026-000001\n  bihuan show YB-2026-000001 --json")]
    Show {
        /// Its number
        case: String,
    },
    /// Remark on a case; moves nothing
    #[command(after_help = "Example:\n  bihuan comment YB-2026-000001 '已电话催办' --as clerk-lin")]
    Comment {
        /// Its number
        case: String,
        /// The remark
        text: String,
        #[command(flatten)]
        who: Who,
    },
    /// Put a field right
    #[command(
        after_help = "Example:\n  bihuan amend YB-2026-000001 --field place=二号仓库 --reason 写错 --as officer-qin"
    )]
    Amend {
        /// Its number
        case: String,
        /// A field: name=value
        #[arg(long = "field", value_name = "NAME=VALUE", required = true)]
        fields: Vec<String>,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        who: Who,
    },
    /// Take back one's own last act
    #[command(after_help = "Example:\n  bihuan take-back YB-2026-000001 --reason 误记 --as clerk-lin")]
    TakeBack {
        /// Its number
        case: String,
        /// Why
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        who: Who,
    },
    /// Sign or decline a proposal
    #[command(
        after_help = "Examples:\n  bihuan sign YH-2026-000001 2 --as clerk-lin --issue\n  bihuan sign YH-2026-000001 3 --decline --reason 已在整改 --as head-zhou"
    )]
    Sign {
        /// Its number
        case: String,
        /// Number of the proposal
        proposal: u32,
        /// Decline it
        #[arg(long, conflicts_with = "issue")]
        decline: bool,
        /// Give the signed document the next number of your unit's register
        #[arg(long)]
        issue: bool,
        /// Why
        #[arg(long)]
        reason: Option<String>,
        #[command(flatten)]
        who: Who,
    },
    /// The list, the most overdue first
    #[command(
        after_help = "Examples:\n  bihuan ledger --lamp overdue --overdue-by enterprise\n  bihuan ledger --text 仓库 --csv\n  bihuan ledger --unit industry --count"
    )]
    Ledger(LedgerArguments),
    /// Why a date is what it is, what moved it, what comes next, and who owes it
    #[command(
        after_help = "Examples:\n  bihuan explain YH-2026-000001\n  bihuan explain YH-2026-000001 --deadline reinspection"
    )]
    Explain {
        /// Its number
        case: String,
        /// The clock; the most pressing one unless given
        #[arg(long, value_name = "NAME")]
        deadline: Option<String>,
    },
    /// Who owes what by when
    #[command(
        after_help = "Examples:\n  bihuan owes --person officer-qin\n  bihuan owes --unit industry --limit 20"
    )]
    Owes(OwesArguments),
    /// The circular: what is overdue by unit, and each department's progress, as of a day
    #[command(after_help = "Examples:\n  bihuan roundup\n  bihuan roundup --as-of 2026-10-31")]
    Roundup {
        /// The day, to its end; today unless given
        #[arg(long, value_name = "DAY")]
        as_of: Option<String>,
    },
    /// What a person was told: the newest digests, or those before a day
    #[command(
        after_help = "Examples:\n  bihuan inbox clerk-lin\n  bihuan inbox clerk-lin --before 2026-10-01"
    )]
    Inbox {
        /// The person
        person: String,
        /// Digests of the days before this one
        #[arg(long, value_name = "DAY")]
        before: Option<String>,
    },
    /// Open a period of a periodic duty for every unit that owes it; what is open already stays
    #[command(
        after_help = "Examples:\n  bihuan plan periodic-duty --field duty=self_inspection \\\n    --period 2026Q4 --as clerk-lin\n  bihuan plan periodic-duty --field duty=self_inspection \\\n    --period 2026-12 --sector mine --as clerk-lin\n  bihuan plan periodic-duty --field duty=zero_report \\\n    --period 2026-12 --kind township --as clerk-lin\n  bihuan plan periodic-duty --field duty=look_back \\\n    --period 2026Q3 --closed major-hazard --as clerk-lin"
    )]
    Plan {
        #[command(flatten)]
        duties: DutyArguments,
        /// Who: person/post
        #[arg(long = "as", value_name = "PERSON/POST")]
        actor: String,
    },
    /// Who has done a periodic duty of a period, and who is missing
    #[command(
        after_help = "Example:\n  bihuan coverage periodic-duty --field duty=self_inspection --period 2026Q4"
    )]
    Coverage {
        #[command(flatten)]
        duties: DutyArguments,
    },
    /// Enforce deadlines until stopped
    #[command(after_help = "Examples:\n  bihuan work\n  bihuan work --until 2026-12-31")]
    Work {
        /// Move simulated time to the end of this day
        #[arg(long, value_name = "DAY")]
        until: Option<String>,
        /// Cases in one round
        #[arg(long, default_value_t = worker::SWEEP_MAX, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        batch: u32,
    },
    /// Copy a store, with everything in it, to a new file or an empty database
    #[command(
        after_help = "Examples:\n  bihuan copy --from sqlite:bihuan.db --to postgres://bihuan@localhost/city\n  bihuan copy --from postgres://bihuan@localhost/city --to sqlite:county.db"
    )]
    Copy {
        /// The store to copy; the store otherwise worked on unless given
        #[arg(long, value_name = "STORE")]
        from: Option<PathBuf>,
        /// Where to: a file that is not there, or an empty database; or where this copy was cut short
        #[arg(long, value_name = "STORE")]
        to: PathBuf,
    },
    /// How enforcement stands
    #[command(after_help = "Example:\n  bihuan status")]
    Status,
    /// Working days, or a new version of a calendar
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:\n  bihuan calendar 2026-09-18 --working-days 10\n  bihuan calendar load 2027.yaml --as admin-wen"
    )]
    Calendar(CalendarArguments),
    /// Check every act of every case against its chain and its head
    #[command(after_help = "Example:\n  bihuan verify")]
    Verify,
    /// Derive everything projected from the acts again, and put right what differs
    #[command(after_help = "Examples:\n  bihuan rebuild --check\n  bihuan rebuild")]
    Rebuild {
        /// Only say what differs (exit code 5)
        #[arg(long)]
        check: bool,
    },
    // Our own, since clap's takes no `--lang`.
    /// The help of the program, or of a command
    #[command(after_help = "Examples:\n  bihuan help act\n  bihuan help calendar load")]
    Help {
        /// The command
        #[arg(value_name = "COMMAND")]
        words: Vec<String>,
    },
}

#[derive(Args)]
pub(crate) struct Who {
    /// Who: person/post
    #[arg(long = "as", value_name = "PERSON/POST")]
    pub(crate) actor: String,
    /// Idempotency key: the same command sent twice with it happens once
    #[arg(long)]
    pub(crate) key: Option<String>,
}

#[derive(Args)]
pub(crate) struct DutyArguments {
    /// The workflow: its opening act names a unit, a period and the last day of it
    pub(crate) workflow: String,
    /// The period: 2026, 2026Q3, 2026-07, or half a month: 2026-07H1
    #[arg(long)]
    pub(crate) period: String,
    /// A field that is the same for every unit: name=value
    #[arg(long = "field", value_name = "NAME=VALUE")]
    pub(crate) fields: Vec<String>,
    /// Which units owe it
    #[arg(long, default_value = "enterprise")]
    pub(crate) kind: Kind,
    /// Only units of these sectors
    #[arg(long = "sector")]
    pub(crate) sectors: Vec<String>,
    /// A look-back: one for each case of this workflow closed as rectified in the period, all that were listed
    /// for supervision and a share of the others, by the department in charge
    #[arg(long, value_name = "WORKFLOW", conflicts_with_all = ["kind", "sectors"])]
    pub(crate) closed: Option<String>,
    /// The share of the cases that were not listed, in percent
    #[arg(long, value_name = "PERCENT", default_value_t = 20, requires = "closed", value_parser = clap::value_parser!(u64).range(0..=100))]
    pub(crate) share: u64,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Kind {
    Enterprise,
    Township,
    Department,
}

#[derive(Args)]
pub(crate) struct ActArguments {
    #[command(flatten)]
    pub(crate) who: Who,
    /// The act as JSON (`-`: standard input): act, fields, issue, evidence, officers, signature, entered_for,
    /// occurred_on, reason. What the command line gives is added; nothing may be given in both
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// A field: name=value; several units with commas
    #[arg(long = "field", value_name = "NAME=VALUE")]
    pub(crate) fields: Vec<String>,
    /// The field that gets the next number of your unit's register of documents
    #[arg(long, value_name = "FIELD")]
    pub(crate) issue: Option<String>,
    /// Evidence: kind=file
    #[arg(long = "evidence", value_name = "KIND=FILE")]
    pub(crate) evidence: Vec<String>,
    /// A named officer
    #[arg(long = "officer", value_name = "PERSON")]
    pub(crate) officers: Vec<String>,
    /// Who signed
    #[arg(long, conflicts_with = "refused_to_sign")]
    pub(crate) signed: Option<String>,
    /// The recorded refusal to sign
    #[arg(long)]
    pub(crate) refused_to_sign: Option<String>,
    /// The person it is entered for
    #[arg(long, value_name = "PERSON")]
    pub(crate) entered_for: Option<String>,
    /// The day it happened, where that was not today
    #[arg(long, value_name = "DAY")]
    pub(crate) occurred_on: Option<String>,
    /// Why
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

#[derive(Args)]
pub(crate) struct LedgerArguments {
    /// State of the main track
    #[arg(long)]
    pub(crate) state: Option<String>,
    /// Unit that owes the next step
    #[arg(long)]
    pub(crate) unit: Option<String>,
    /// Township
    #[arg(long)]
    pub(crate) area: Option<String>,
    /// Sector
    #[arg(long)]
    pub(crate) sector: Option<String>,
    /// Source
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Competent department
    #[arg(long)]
    pub(crate) department: Option<String>,
    /// Only overdue ones, as --lamp overdue
    #[arg(long, conflicts_with = "lamp")]
    pub(crate) overdue: bool,
    /// A lamp
    #[arg(long)]
    pub(crate) lamp: Option<LampName>,
    /// Overdue by one side
    #[arg(long)]
    pub(crate) overdue_by: Option<Side>,
    /// Legal date from this day
    #[arg(long)]
    pub(crate) due_from: Option<String>,
    /// Legal date to this day
    #[arg(long)]
    pub(crate) due_to: Option<String>,
    /// Text, taken literally
    #[arg(long)]
    pub(crate) text: Option<String>,
    /// After this place: what `next` says of the page before
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
    pub(crate) after: Option<String>,
    /// Only count, up to ten thousand
    #[arg(long)]
    pub(crate) count: bool,
    /// At most so many, 100 unless given; CSV has all of them unless given
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: Option<u32>,
    /// Print CSV
    #[arg(long)]
    pub(crate) csv: bool,
}

#[derive(Args)]
pub(crate) struct CalendarArguments {
    /// The day to count from (not counted)
    pub(crate) from: Option<String>,
    /// Working days after it
    #[arg(long, default_value_t = 10)]
    pub(crate) working_days: u32,
    #[command(subcommand)]
    pub(crate) command: Option<CalendarCommand>,
}

#[derive(Subcommand)]
pub(crate) enum CalendarCommand {
    /// Keep a new version and count every open date again
    #[command(after_help = "Example:\n  bihuan calendar load 2027.yaml --as admin-wen")]
    Load {
        /// The calendar (YAML)
        file: PathBuf,
        /// Who: person/post
        #[arg(long = "as", value_name = "PERSON/POST")]
        actor: String,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LampName {
    Overdue,
    Today,
    Soon,
    Normal,
    Paused,
    None,
    Closed,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Side {
    Enterprise,
    Regulator,
}

#[derive(Args)]
pub(crate) struct OwesArguments {
    /// Only this unit
    #[arg(long)]
    pub(crate) unit: Option<String>,
    /// Only this role
    #[arg(long)]
    pub(crate) role: Option<String>,
    /// Only what this person's posts owe
    #[arg(long)]
    pub(crate) person: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// After this place: what `next` says of the page before
    #[arg(long, value_name = "PLACE", allow_hyphen_values = true)]
    pub(crate) after: Option<String>,
}
