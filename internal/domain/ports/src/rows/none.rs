use std::sync::Arc;

use millstream_model::Value;

use super::{FoundColumns, RowCodec, RowFormat, RowSpec, Side};
use crate::{CodecError, PortError};

/// Nothing is kept: whatever the bytes, there are no columns in them, and none are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRows;

struct NoCodec;

impl RowFormat for NoRows {
    fn columns(&self, _: &str, _: Side, _: Option<u32>) -> Result<FoundColumns, PortError> {
        Ok(FoundColumns { columns: Vec::new(), is_bare: false })
    }

    fn reader(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        if spec.columns.is_empty() {
            return Ok(Arc::new(NoCodec));
        }
        Err(PortError::stop(format!("topic '{}': the format NONE holds no columns", spec.topic)))
    }

    fn writer(&self, spec: RowSpec<'_>) -> Result<Arc<dyn RowCodec>, PortError> {
        self.reader(spec)
    }
}

impl RowCodec for NoCodec {
    fn decode(&self, _: &[u8]) -> Result<Vec<Value>, CodecError> {
        Ok(Vec::new())
    }

    fn encode(&self, _: &[Value], _: &mut Vec<u8>) -> Result<(), CodecError> {
        Ok(())
    }
}
