"""Top floor: from documents to examples, data set, adapter and merged model. Nothing has landed here yet."""
