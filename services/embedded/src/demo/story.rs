//! Who the demo's people are and what they work on.

use rand::{Rng, rngs::StdRng, seq::IndexedRandom};

pub(super) const PEOPLE: [(&str, &str); 9] = [
    ("Ada Okafor", "ada"),
    ("Bruno Keller", "bruno"),
    ("Chiyo Tanaka", "chiyo"),
    ("Dmitri Volkov", "dmitri"),
    ("Elena Rossi", "elena"),
    ("Farid Haddad", "farid"),
    ("Grace Mbeki", "grace"),
    ("Hugo Lindqvist", "hugo"),
    ("Inés Carvalho", "ines"),
];

pub(super) struct Project {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) labels: &'static [&'static str],
    verbs: &'static [&'static str],
    things: &'static [&'static str],
}

pub(super) const PROJECTS: [Project; 6] = [
    Project {
        name: "Website relaunch",
        description: "New brand, new pages, same address. Live before the spring fair.",
        labels: &["design", "copy", "frontend", "seo"],
        verbs: &["Redesign", "Write", "Review", "Translate", "Test", "Publish"],
        things: &[
            "the pricing page",
            "the landing page",
            "customer stories",
            "the cookie notice",
            "the footer",
            "the press kit",
        ],
    },
    Project {
        name: "Mobile app 2.0",
        description: "Offline first, half the size, and notifications people do not switch off.",
        labels: &["ios", "android", "bug", "performance"],
        verbs: &["Fix", "Build", "Measure", "Simplify", "Prototype", "Ship"],
        things: &[
            "the sync queue",
            "sign-in with passkeys",
            "the task list",
            "cold start",
            "push notifications",
            "the share sheet",
        ],
    },
    Project {
        name: "Customer onboarding",
        description: "From contract to first success in five working days.",
        labels: &["docs", "training", "support"],
        verbs: &["Record", "Draft", "Schedule", "Improve", "Automate", "Check"],
        things: &[
            "the welcome mail",
            "the admin tutorial",
            "data import",
            "the first-week checklist",
            "the feedback form",
        ],
    },
    Project {
        name: "Infrastructure",
        description: "Boring on purpose: backups that restore, alerts that matter, releases that roll back.",
        labels: &["security", "cost", "monitoring", "database"],
        verbs: &["Upgrade", "Rotate", "Document", "Rehearse", "Move", "Alert on"],
        things: &[
            "the PostgreSQL cluster",
            "signing keys",
            "the restore drill",
            "log retention",
            "disk usage",
            "certificates",
        ],
    },
    Project {
        name: "Hiring, first quarter",
        description: "Two engineers, one designer, one person who likes numbers.",
        labels: &["interview", "offer", "sourcing"],
        verbs: &[
            "Interview",
            "Write to",
            "Decide on",
            "Prepare a case for",
            "Call references of",
        ],
        things: &[
            "the backend candidate",
            "the designer shortlist",
            "the data analyst",
            "the referral from Hugo",
        ],
    },
    Project {
        name: "Annual report",
        description: "Numbers by March, printed by April.",
        labels: &["finance", "layout", "legal"],
        verbs: &["Collect", "Verify", "Lay out", "Proofread", "Approve"],
        things: &[
            "the revenue figures",
            "the board letter",
            "photos of the team",
            "the audit remarks",
            "the sustainability chapter",
        ],
    },
];

pub(super) const STATUSES: [(&str, u8); 5] = [
    ("todo", 45),
    ("in_progress", 20),
    ("in_review", 10),
    ("done", 22),
    ("cancelled", 3),
];

pub(super) const PRIORITIES: [&str; 5] = ["none", "low", "medium", "high", "urgent"];

pub(super) fn title(project: &Project, rng: &mut StdRng) -> String {
    let verb = project.verbs.choose(rng).unwrap_or(&"Do");
    let thing = project.things.choose(rng).unwrap_or(&"it");
    let tail = [
        "",
        "",
        "",
        " with the new numbers",
        " before Friday",
        " (second attempt)",
        " for the pilot customer",
    ];
    format!("{verb} {thing}{}", tail.choose(rng).unwrap_or(&""))
}

pub(super) fn description(rng: &mut StdRng) -> String {
    let why = [
        "Asked for by three customers this month.",
        "Left over from last week.",
        "Blocks the next step.",
        "Small, but it annoys everybody.",
    ];
    let done = [
        "Done when a colleague could do it from the notes.",
        "Done when the numbers match.",
        "Done when it is live and nobody noticed.",
        "Ask before you cut scope.",
    ];
    format!("{} {}", why.choose(rng).unwrap_or(&""), done.choose(rng).unwrap_or(&""))
}

pub(super) fn comment(rng: &mut StdRng, handle: &str) -> String {
    let plain = [
        "I had a look; half of it is there already.",
        "Moved to next week, the numbers are late.",
        "Works on my machine, which proves nothing. Testing on staging now.",
        "The customer confirmed. Going ahead.",
        "Two open questions are in the description.",
        "Done from my side.",
    ];
    let addressed = [
        "can you review this today?",
        "what do you think?",
        "this needs your yes.",
        "I left you the hard part, sorry.",
    ];
    if rng.random_bool(0.35) {
        format!("@{handle} {}", addressed.choose(rng).unwrap_or(&""))
    } else {
        (*plain.choose(rng).unwrap_or(&"")).to_owned()
    }
}
