;; attacks = [21]
;; does = "remembers the number of a batch and uses it in the next call, when it may stand for another"
;; role = "filter"
;; goes-on = "a number is a name within one call: it stands for the batch of this call or for nothing"
;; -- imports
(import "bulkhead:plugin/batches@0.1.0" "[method]batch.seqs" (func $seqs (param i32 i32)))
;; -- items
(global $first (mut i32) (i32.const -1))
;; -- on-batch
(if (i32.eq (global.get $first) (i32.const -1)) (then (global.set $first (local.get $of))))
(call $seqs (global.get $first) (i32.const 2048))
(call $seqs (local.get $of) (i32.const 2064))
(if (i64.ne (i64.load (i32.load (i32.const 2048))) (i64.load (i32.load (i32.const 2064))))
  (then (loop $another (br $another))))
