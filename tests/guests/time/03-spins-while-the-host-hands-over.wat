;; attacks = [3]
;; does = "loops for ever in cabi_realloc, while the host lowers a column into its memory"
;; dies = "plugin-cpu"
;; -- imports
(import "bulkhead:plugin/batches@0.1.0" "[method]batch.seqs" (func $seqs (param i32 i32)))
;; -- items
(global $mood (mut i32) (i32.const 0))
;; -- on-realloc
(loop $l (br_if $l (global.get $mood)))
;; -- on-batch
(global.set $mood (i32.const 1))
(call $seqs (local.get $of) (i32.const 2048))
