//! The loop of a major hazard, walked through the shipped workflow file.

#[cfg(test)]
mod again;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod clocks;
#[cfg(test)]
mod competence;
#[cfg(test)]
mod counted;
#[cfg(test)]
mod explained;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod registers;
#[cfg(test)]
mod terms;
#[cfg(test)]
mod walk;
#[cfg(test)]
mod world;
