;; attacks = [53]
;; does = "declares a shared memory, which would make a clock of two threads"
;; refused = "threads"
;; -- whole
(component
  (core module (memory 1 1 shared)))
