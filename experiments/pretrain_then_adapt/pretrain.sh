#!/bin/sh
# one short pretraining for each objective: sh pretrain.sh interactions.tsv.gz movies.tsv FOLDER
set -e
for objective in sequence pretrain_masked pretrain_denoising; do
  rec-lightning train task=$objective data=table data.source.name=ml_1m data.source.path="$1" \
    data.source.columns.item=movie data.source.columns.timestamp=null data.source.columns.order=pos \
    data.source.items="$2" 'data.source.item_fields={item: movie, title: title, year: year, genres: genres}' \
    +data.prepare.known._target_=rec_lightning.data.preparation.values.Values +data.prepare.known.column=order \
    +data.prepare.known.least=1 data/split=few_users data.split.share=0.1 items=text tuning=frozen 'compare=[]' \
    'logger=[]' trainer.max_epochs=4 trainer.check_val_every_n_epoch=2 test=false run_dir="$3/$objective"
done
