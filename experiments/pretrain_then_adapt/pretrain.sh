#!/bin/sh
# one short pretraining for each objective: sh pretrain.sh interactions.tsv.gz movies.tsv FOLDER
set -e
interactions=$1 movies=$2 folder=$3
pretrain() {
  objective=$1
  shift
  rec-lightning train task="$objective" data=table data.source.name=ml_1m data.source.path="$interactions" \
    data.source.columns.item=movie data.source.columns.timestamp=null data.source.columns.order=pos \
    data.source.items="$movies" 'data.source.item_fields={item: movie, title: title, year: year, genres: genres}' \
    +data.prepare.known._target_=rec_lightning.data.preparation.values.Values +data.prepare.known.column=order \
    +data.prepare.known.least=1 items=text 'logger=[]' test=false run_dir="$folder/$objective" "$@"
}
for objective in sequence pretrain_masked pretrain_denoising pretrain_contrastive; do
  pretrain $objective data/split=few_users data.split.share=0.3 tuning=frozen 'compare=[]' trainer.max_epochs=4 \
    trainer.check_val_every_n_epoch=2
done
pretrain pretrain_text tuning=lora tuning.layers=null trainer.max_epochs=5
