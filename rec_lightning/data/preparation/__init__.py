"""Steps from raw interactions to those a study is about: one step a file, put together in the conf."""
