"""The live stream: from outcomes of the pipeline to server-sent events in browsers."""
