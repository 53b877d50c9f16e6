;; attacks = [21]
;; does = "keeps the borrowed batch instead of giving it back"
;; dies = "plugin-trap"
;; -- on-batch
(return (i32.const 1024))
