"""Speed against stated opponents: each program measures both sides in one run."""
