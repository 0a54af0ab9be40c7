use super::{Emissions, Run, State, StepError};
use crate::plan::{Act, Rule};

impl Rule {
    /// Nothing has come for a while, so that time goes on by the clock: what waits for the ends of windows before `time`, in
    /// milliseconds since 1970, is told. Records of earlier times are late from then on.
    ///
    /// # Errors
    /// When the state fails or is damaged.
    pub fn on_idle(&self, time: i64, state: &mut dyn State) -> Result<Emissions, StepError> {
        let mut run = Run { rule: self, state, out: Vec::new() };
        let keepers = self.query.steps.iter().filter(|step| step.act.keeps());
        for (number, step) in keepers.enumerate() {
            let Some(wire) = self.query.keeper(number, 0) else { continue };
            match &step.act {
                Act::Aggregate { window: Some(windows), calls, .. } if windows.is_final => {
                    let now = run.stream_time(wire, time)?;
                    run.close(wire, (calls, *windows), now)?;
                    run.tell_closed(wire, *windows, now)?;
                }
                Act::Meet { .. } => run.rest(wire, time)?,
                _ => {}
            }
        }
        Ok(run.out)
    }
}
