"""Speed, as commands anyone can run: latency by stage, batch and render factor, side by side."""
