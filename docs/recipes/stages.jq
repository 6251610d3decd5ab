# Stages as lines of tabs: id, runs, failures, seconds. A torn last line is passed over.
reduce (inputs | fromjson? | select(.event == "stage.end")) as $stage ({};
  .[$stage.stage_id] |= {
    runs: (.runs + 1),
    failed: (.failed + (if $stage.status == "error" then 1 else 0 end)),
    seconds: (.seconds + $stage.duration_s)
  })
| to_entries | sort_by(-.value.seconds)[]
| [.key, .value.runs, .value.failed, .value.seconds] | @tsv
