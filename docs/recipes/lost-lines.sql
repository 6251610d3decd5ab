-- Within a run `seq` counts the lines; without one, within the process. If the last line of a run is missing, its end
-- is: see in-flight.sql.
SELECT pid, run_id, max(seq) + 1 - count(*) AS lost
FROM events
GROUP BY pid, run_id
HAVING max(seq) + 1 > count(*);
