;; attacks = [27]
;; does = "traps in cabi_realloc"
;; dies = "plugin-trap"
;; -- imports
(import "bulkhead:plugin/batches@0.1.0" "[method]batch.seqs" (func $seqs (param i32 i32)))
;; -- items
(global $mood (mut i32) (i32.const 0))
;; -- on-realloc
(if (global.get $mood) (then (unreachable)))
;; -- on-batch
(global.set $mood (i32.const 1))
(call $seqs (local.get $of) (i32.const 2048))
