//! Whether an organisation agrees with itself.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::command::Directory;
use crate::register::{DocumentNumber, OnPaper};
use crate::requirement::{has_bad_characters, is_blank, shortened};
use crate::value::{PostId, TenantId, UnitId};

/// Longest name of a jurisdiction, in characters.
const TENANT_CHARS_MAX: usize = 64;

/// Largest number of a year.
const DOCUMENTS_MAX: u32 = 1_000_000;

/// Longest code of a register, in characters.
const CODE_CHARS_MAX: usize = 20;

/// What is wrong with an organisation. The texts are made elsewhere.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum OrganisationFault {
    /// The name of the jurisdiction cannot be read or typed, or is too long.
    Tenant {
        /// Most characters.
        most: usize,
    },
    /// Two units have one id.
    UnitTwice {
        /// The id.
        unit: UnitId,
    },
    /// Two posts have one id.
    PostTwice {
        /// The id.
        post: PostId,
    },
    /// A post lies in a unit nobody describes.
    PostNowhere {
        /// The post.
        post: PostId,
        /// Its unit.
        unit: UnitId,
    },
    /// The code of a register cannot stand in a document number.
    RegisterCode {
        /// The unit.
        unit: UnitId,
        /// The code.
        code: String,
        /// Most characters.
        most: usize,
    },
    /// The last number on paper is none a register can have.
    RegisterPaper {
        /// The unit.
        unit: UnitId,
        /// The largest number.
        most: u32,
    },
    /// Two units have one register: their documents would take each other's numbers.
    RegisterTwice {
        /// The code.
        code: String,
    },
    /// The table of departments names a unit nobody describes.
    DepartmentNowhere {
        /// The sector.
        sector: String,
        /// The unit named for it.
        unit: UnitId,
    },
}

impl Directory {
    /// All that is wrong with the organisation of a jurisdiction, in the order of the file.
    pub fn faults(&self, tenant: &TenantId) -> Vec<OrganisationFault> {
        let (mut units, mut posts) = (BTreeSet::new(), BTreeSet::new());
        let mut faults = Vec::new();
        let name = tenant.as_str();
        let bad = has_bad_characters(name) || name.contains(['\n', '\t']);
        if is_blank(name) || bad || name.chars().count() > TENANT_CHARS_MAX {
            faults.push(OrganisationFault::Tenant { most: TENANT_CHARS_MAX });
        }
        for unit in &self.units {
            if !units.insert(&unit.id) {
                faults.push(OrganisationFault::UnitTwice { unit: unit.id.clone() });
            }
        }
        let mut codes = BTreeSet::new();
        for (unit, register) in self.units.iter().filter_map(|unit| Some((unit, unit.register.as_ref()?))) {
            let code = &register.code;
            let bad_paper =
                |paper: &OnPaper| !(1949..=9999).contains(&paper.year) || paper.last > DOCUMENTS_MAX;
            if register.on_paper.as_ref().is_some_and(bad_paper) {
                faults.push(OrganisationFault::RegisterPaper { unit: unit.id.clone(), most: DOCUMENTS_MAX });
            }
            let read = DocumentNumber { code: code.clone(), year: 2026, no: 1 }.to_string().parse();
            let told = read.is_ok_and(|number: DocumentNumber| number.code == *code);
            if is_blank(code) || has_bad_characters(code) || !told || code.chars().count() > CODE_CHARS_MAX {
                let (unit, code) = (unit.id.clone(), shortened(code));
                faults.push(OrganisationFault::RegisterCode { unit, code, most: CODE_CHARS_MAX });
            } else if !codes.insert(code) {
                faults.push(OrganisationFault::RegisterTwice { code: code.clone() });
            }
        }
        for post in &self.posts {
            if !posts.insert(&post.id) {
                faults.push(OrganisationFault::PostTwice { post: post.id.clone() });
            }
            if !units.contains(&post.unit) {
                faults
                    .push(OrganisationFault::PostNowhere { post: post.id.clone(), unit: post.unit.clone() });
            }
        }
        for (sector, unit) in &self.departments {
            if !units.contains(unit) {
                faults.push(OrganisationFault::DepartmentNowhere {
                    sector: sector.clone(),
                    unit: unit.clone(),
                });
            }
        }
        faults
    }
}
