"""Face detection, landmarks, apparent age and alignment. Changes no pixels."""
