"""Top floor: from documents to examples, data set, adapter, merged model and scores."""
